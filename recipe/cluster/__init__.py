"""The stages corpus and pairs on many machines: the same functions, file by file and group by group, with the same
result byte for byte.
"""
