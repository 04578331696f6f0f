"""What the sentence rules and the vocabulary must know of a language: abbreviations, ordinals, accents."""

import re
from dataclasses import dataclass
from functools import cache

from recipe.errors import InputError

# ISO 639-1.
CODES = frozenset(
    """
    aa ab ae af ak am an ar as av ay az ba be bg bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en eo
    es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv ka
    kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng
    nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su
    sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu
    """.split()
)
# Their writing has no mark at the end of a sentence, so no rule can find it; with a tool that can, where there is one.
UNMARKED = {"th": "pythainlp", "lo": "laonlp", "bo": "", "dz": ""}


@dataclass(frozen=True, eq=False)
class Language:
    """What stands before a full stop that is not the end of a sentence; all words in lower case, without the last dot.

    abbreviations: end no sentence. may_end: end one before a capital letter, but not before a number ("Fig. 3").
    after_number: end one after a number ("in 1799 г. Then"), but not elsewhere.
    before_ordinal, after_ordinal: a number of one or two digits between them is an ordinal ("am 3. Juni").
    marks: further marks that end a sentence.
    """

    abbreviations: frozenset[str] = frozenset()
    may_end: frozenset[str] = frozenset()
    after_number: frozenset[str] = frozenset()
    before_ordinal: frozenset[str] = frozenset()
    after_ordinal: frozenset[str] = frozenset()
    marks: str = ""


_ANY = "al approx ca cf dr ed eds etc fig figs max min no nr p pp prof resp sp spp st tab vol vs"
_ANY_MAY_END = "fig figs max min no nr p pp tab vol etc"
_WORDS: dict[str, dict[str, str]] = {
    "en": {
        "abbreviations": """
            al approx appl art assoc ave ca cf ch chap co col conc corp dept dr ed eds eg eq eqs eqn est etc ex exp fig
            figs figure i.e e.g ie inc jr lt ltd max min mr mrs ms no nos nr op p pp p.o p.m a.m prof ref refs resp s.c
            s.d s.e.m i.v i.m i.p i.c.v sec sect sp spp sr ss st subsp suppl tab tel temp univ var viz vol vols vs wt
            u.s u.k ph.d m.d""",
        "may_end": "approx art ch chap col eq eqs eqn ex exp fig figs max min no nos nr p pp ref refs sec sect tab vol"
        " vols",
    },
    "de": {
        "abbreviations": """
            a abb abk abs abschn al allg anh anl anm art aufl ausg b bd bde bearb begr bes bez bsp bspw bzgl bzw c ca d
            d.h dgl dipl dr e ebd ehem eigtl einschl engl entspr etw ev evtl exkl f ff fig fr frz geb gegr gem gest
            ggf ggü h hl hr hrn hrsg i i.d.r i.v ing ink inkl insb insbes inst intern jg jun kap kath kfm kl lat lfd
            lt m max med mind min mio mrd mr mrs n nachf nat no nr nrn o o.ä o.g od oec österr p phil pol ppa prof
            prot r rd rer resp rk röm s s.c s.o s.u sen sog sp spp st staatl std stellv str stv t tab tel u u.a u.ä
            u.u übers usf v v.a verf vgl vol vorm vs w wg z z.b z.t zit zs zsh zt zw zzgl""",
        "may_end": "usw etc jh jhd",
        "before_ordinal": """
            ab allen am an auf aus bei beim bis dem den der des die das dieser diese ihr im in ins ihrem ihren ihrer
            jede jeden jeder jedem jedes mein mit nach seinem seinen seiner seit sein seine und vom von vor zum zur
            zwischen""",
        "after_ordinal": """
            januar jänner februar märz april mai juni juli august september oktober november dezember jahrhundert
            jahrhunderts jahrtausend weltkrieg weltkriegs auflage klasse jahrestag geburtstag""",
    },
    "fr": {
        "abbreviations": """
            al apr art av bd boul c.-à-d ca cf chap coll dir dr dre ed éd env ex fasc fig hab ibid id i.e inc j.-c m
            me mgr ml mlle mlles mm mme mmes mr n no nos num p par p.ex pl pp prof réf resp s sec ss st ste sté suiv
            suppl t tab tél trad v vol vs""",
        "may_end": "fig etc j.-c",
    },
    "es": {
        "abbreviations": """
            a a.c al apdo art arts av avda c c.c ca cap cf cía d da d.c dir dn dña dr dra dres ed ee ej etc excmo fig
            figs gral ing izq izqda lic ltda máx mín n núm p pág págs p.ej pp prof profa ref s sr sra sras sres srta
            sta sto tab tel trad ud uds vd vds vol vs""",
        "may_end": "fig figs pág págs núm etc",
    },
    "it": {
        "abbreviations": """
            a a.c al arch art artt avv c ca cap cfr cit co d d.c dir dott dott.ssa dr ecc ed es fig figg geom ing n nn
            on p pag pagg par pp prof prof.ssa rag rif s sec sez sig sig.ra sigg ss st tab tel v vol voll vs""",
        "may_end": "fig figg pag pagg ecc",
    },
    "pt": {
        "abbreviations": """
            a a.c al art arts av cap cf cia d d.c dr dra drs ed eng etc ex fig figs ilmo ltda máx min n no núm p pág
            págs pp prof profa séc sr sra srs sta sto tab tel v vol vs""",
        "may_end": "fig figs pág págs séc etc",
    },
    "nl": {
        "abbreviations": """
            a aant afb afd al art b.v bijv blz bv ca ds dhr dr drs d.w.z e.d e.g enz evt excl fig fr gem h hfst i.p.v
            i.v.m incl ing ir jl jr kol m max m.b.t mevr mgr min mr mw n nl nr nrs o o.a o.l.v ong p par pp prof resp
            s st tab tel t.o.v v vgl vnl vol vs z.g zgn""",
        "may_end": "afb fig tab enz etc",
    },
    "ru": {
        "abbreviations": """
            а акад б больн бульв в вып гл гос д дир доц ед ж з зав зам и илл им инж к кв кол корп л лат м мин млн млрд
            н напр нем о обл оз оф п пер пл пос пр-т проф р ред рис рус с см соч ср ст стр т табл тел тов тт тыс у ул
            ф х ч чел шт э экз""",
        "may_end": "др пр проч рис стр табл п д",
        "after_number": "г гг в вв коп руб кг км см мм мг мл ч мин сек",
    },
    "uk": {
        "abbreviations": """
            а акад б буд бульв в вид вип гол гр д див доц ж з зав заст і ім інж к кв л м мал млн млрд н напр наук о обл
            оз п пл пор просп проф р ред рис с ст стор т табл тел тис у ул ч чол""",
        "may_end": "ін рис стор табл",
        "after_number": "р рр с ст коп грн кг км см мм",
    },
    "pl": {
        "abbreviations": """
            al art bł d dot dr dyr dz gen godz hab im in inż itd itp jw kard kpt ks lek lic ł m maks max mgr mies min
            m.in mjr mld mln n najśw np nr o obr ok os p pkt płk pl pn por poz pp prof przyp r red reż rozdz ryc rys
            s ś śp św sz śr str tab tel tj tys tzn tzw ul ur ust w wg woj wsp zał zł zob""",
        "may_end": "itd itp ryc rys tab in",
        "after_number": "r w",
    },
    "cs": {
        "abbreviations": """
            angl apod atd atp bc cca č čl čp dr doc el fig hl hod inž ing j kap kupř max mgr mil min mj mld mudr nám
            např nar ne npor obr odst okr p písm phdr plk pol popř por pozn prof př r resp rndr ř říj s sb soudr srov
            st stol str sv tab tel tj tř tzn tzv ul v viz vs zn zvl""",
        "may_end": "apod atd atp obr tab",
    },
    "tr": {
        "abbreviations": "alb al arş av bkz bl bş bul c cad çev dz doç dr fig gen hz ing kpt krş md mah max min müh no"
        " ord op ör örn prof s sn sok st şek tab tel tuğg vb vd yrd yy yzb",
        "may_end": "vb vd yy şek tab",
    },
    "hi": {"abbreviations": "डॉ डा प्रो श्री श्रीमती सुश्री पं स्व सं क्र रु मो जि ई मि मी सेमी किमी"},
    "mr": {"abbreviations": "डॉ प्रा श्री श्रीमती पं स्व सौ कु चि क्र रु मा"},
    "el": {
        "abbreviations": "κ κκ κα αρ αριθ βλ δρ εκ εικ κεφ λ μ μτφρ π πίν πρβλ σ σελ τ τηλ χλμ",
        "marks": ";\u037e",
    },
}
_WORDS |= {
    code: {
        "abbreviations": "adr afd afs alm amt ang art avd b ca d dr dvs e eks el f fig fx g h iflg inkl int jf kap kl"
        " m maks mfl mht mm moh n nr o osv p pga pr prof red resp s sen sept st stk t tab tel tlf u udg v vol vs",
        "may_end": "fig tab osv mm mfl",
    }
    for code in ("da", "nb", "nn", "no")
}
_WORDS["sv"] = {
    "abbreviations": "adr alt art avd bl.a bil ca d.v.s dr dvs e ex exkl f fig f.d fr.o.m fru ggr gm inkl jfr kap kl"
    " kr max m.fl m.m min mkt nr o o.d o.s.v obs osv p p.g.a prof red resp s s.k sid st t tab t.ex tel t.o.m u v vol"
    " vs",
    "may_end": "fig tab osv o.s.v m.fl m.m",
}


@cache
def language(code: str) -> Language:
    """The rules of a language; raises InputError for what is not a code of ISO 639-1."""
    if code not in CODES:
        raise InputError(
            f"corpus.language is {code!r}; write two letters of ISO 639-1, such as en, de, fr, hi, ja, ko, ru or zh"
        )
    words = _WORDS.get(code, {"abbreviations": _ANY, "may_end": _ANY_MAY_END})
    sets = {name: frozenset(text.split()) for name, text in words.items() if name != "marks"}
    return Language(**sets, marks=words.get("marks", ""))


def check_card_language(code: str) -> None:
    """Refuse what the Hub would: raises InputError for all but two letters of ISO 639-1 or three of ISO 639-3."""
    if code not in CODES and not re.fullmatch("[a-z]{3}", code):
        raise InputError(
            f"hub.language is {code!r}; write a code of ISO 639, two or three small letters such as en, de or yue"
        )
