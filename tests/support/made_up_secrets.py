"""Made-up tokens and keys of every known form, put together here so that no scanner finds them in this file."""

LETTERS = "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zA"
HEX = "0123456789abcdef0123456789abcdef01234567"

SECRETS = {
    "Hub": "hf_" + LETTERS + "xy",
    "Hub, of a login in the browser": "hf_oauth_" + "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9",
    "Hub, of an organisation": "api_org_" + LETTERS + "xy",
    "Hub, old": "api_" + LETTERS + "xy",
    "wandb": "WANDB_API_KEY=" + HEX,
    "wandb, in JSON": '"wandb_api_key": "' + HEX + '"',
    "wandb, in netrc": "machine api.wandb.ai login user password " + HEX,
    "wandb, new": "wandb_v1_" + LETTERS + LETTERS,
    "GitHub": "ghp_" + LETTERS + "abcd",
    "GitHub, of an app": "ghs_" + LETTERS + "abcd",
    "GitHub, fine-grained": "github_pat_" + LETTERS + "_" + LETTERS,
    "GitLab": "glpat-" + LETTERS[:20],
    "AWS": "AKIA" + "IOSFODNN7EXAMPLE",
    "AWS, for a while": "ASIA" + "IOSFODNN7EXAMPLE",
    "AWS, secret": "aws_secret_access_key = " + "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "OpenAI": "sk-" + LETTERS + LETTERS[:16],
    "OpenAI, of a project": "sk-proj-" + LETTERS + "_" + LETTERS,
    "Anthropic": "sk-ant-" + "api03-" + LETTERS,
    "Slack": "xoxb-" + "123456789012-" + LETTERS,
    "Google": "AIza" + "Sy" + LETTERS + "B",
    "PyPI": "pypi-" + LETTERS + LETTERS,
    "private key": "-----BEGIN " + "OPENSSH PRIVATE KEY-----",
    "web token": "eyJ" + LETTERS + ".eyJ" + LETTERS + "." + LETTERS,
    "password of a URL": "https://anna:" + "hunter2@example.org/data.txt",
    "user of a URL": "https://" + LETTERS + "@example.org/data.txt",
    "signature of a URL": "https://b.s3.example.org/a.txt?X-Amz-Expires=60&X-Amz-Signature=" + HEX,
    "token of a URL": "https://example.org/a.txt?token=" + LETTERS,
    "signature of Azure": "https://x.blob.example.net/c/a.txt?sv=2024&sig=" + LETTERS + "%3D",
}
# What looks like one at the first sight.
HARMLESS = (
    "code at commit 77eaa0523be1a7c3d1b0d7a8a3f3f0c9e5b1d2a4",
    "sha256 " + "ab" * 32,
    "a risk-of-bias-assessment-tool-with-20-items and the sk-learn-contrib-packages",
    "https://example.org/a.txt?page=2&keyword=cell&monkey=1&author=x",
    "hf_model api_key gh_pages AKIA xoxo hf_hub_download",
    "mail anna@example.org and see https://matplotlib.org/",
    "the api-key of pancreatic ductal adenocarcinoma",
    "sk-very-long-name-of-a-style-sheet-class",
)
