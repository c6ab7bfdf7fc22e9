//! The table of every rule: its name, what it finds, and by which bytes.
//!
//! Promises: a rule earlier in the table wins over a later one that finds the same bytes, so the
//! special ones come first.

use std::ops::Range;

use super::assignment::Assignment;
use super::guess::is_random;
use super::token::{
    Token, has_github_checksum, is_alnum, is_base64, is_dotted, is_hex, is_upper, is_url_safe,
    is_word,
};
use super::{private_key, signed, url};

/// One kind of credential.
pub struct Rule {
    /// Its name in messages, records and the configuration.
    pub id: &'static str,
    /// What it finds, with its article.
    pub what: &'static str,
    /// How.
    pub(super) find: Find,
}

/// How a rule finds what it is about.
pub enum Find {
    /// By a prefix.
    Prefix(&'static [&'static str], Token),
    /// By some bytes, from where a function looks around.
    Form(&'static [&'static str], fn(&[u8], Range<usize>) -> Option<Range<usize>>),
    /// By the name that a value has.
    Name(fn(&Assignment<'_>) -> bool),
}

/// A credential that is `anchors` and `least` to `most` characters of `class`, drawn by lot.
const fn prefix(
    id: &'static str,
    what: &'static str,
    anchors: &'static [&'static str],
    class: fn(u8) -> bool,
    least: usize,
    most: usize,
) -> Rule {
    let token = Token { class, least, most, is_right: is_random };
    Rule { id, what, find: Find::Prefix(anchors, token) }
}

const fn form(
    id: &'static str,
    what: &'static str,
    anchors: &'static [&'static str],
    judge: fn(&[u8], Range<usize>) -> Option<Range<usize>>,
) -> Rule {
    Rule { id, what, find: Find::Form(anchors, judge) }
}

const fn name(id: &'static str, what: &'static str, is: fn(&Assignment<'_>) -> bool) -> Rule {
    Rule { id, what, find: Find::Name(is) }
}

/// The forms of GitHub's tokens with a checksum in them.
const GITHUB: Rule = Rule {
    id: "github-token",
    what: "a GitHub token",
    find: Find::Prefix(
        &["ghp_", "gho_", "ghu_", "ghs_", "ghr_"],
        Token { class: is_word, least: 36, most: 255, is_right: has_github_checksum },
    ),
};

/// Every rule.
pub const RULES: &[Rule] = &[
    // Keys.
    form(
        "google-service-account",
        "a Google service account's key",
        &["\"private_key"],
        private_key::google,
    ),
    form("private-key", "a private key (PEM, OpenSSH, PGP)", &["PRIVATE KEY"], private_key::pem),
    form("putty-private-key", "a PuTTY private key", &["PuTTY-User-Key-File-"], private_key::putty),
    prefix("age-secret-key", "an age secret key", &["AGE-SECRET-KEY-1"], is_upper, 58, 58),
    // Clouds.
    prefix(
        "aws-access-key",
        "an AWS access key id",
        &["AKIA", "ASIA", "ABIA", "ACCA"],
        is_upper,
        16,
        16,
    ),
    prefix("google-api-key", "a Google API key", &["AIza"], is_url_safe, 35, 35),
    prefix(
        "google-client-secret",
        "a Google OAuth client secret",
        &["GOCSPX-"],
        is_url_safe,
        28,
        28,
    ),
    prefix("google-access-token", "a Google OAuth access token", &["ya29."], is_url_safe, 40, 2048),
    prefix(
        "azure-storage-key",
        "an Azure storage account's key",
        &["AccountKey="],
        is_base64,
        86,
        88,
    ),
    prefix(
        "azure-shared-key",
        "an Azure shared access key",
        &["SharedAccessKey="],
        is_base64,
        43,
        44,
    ),
    form("azure-signed-url", "a signed Azure address (SAS)", &["sig="], signed::azure_address),
    form("azure-client-secret", "an Azure client secret", &["7Q~", "8Q~"], signed::azure_client),
    prefix(
        "digitalocean-token",
        "a DigitalOcean token",
        &["dop_v1_", "doo_v1_", "dor_v1_"],
        is_hex,
        64,
        64,
    ),
    prefix("heroku-key", "a Heroku API key", &["HRKU-"], is_url_safe, 36, 64),
    prefix("alibaba-access-key", "an Alibaba access key id", &["LTAI"], is_alnum, 20, 20),
    prefix("databricks-token", "a Databricks token", &["dapi"], is_hex, 32, 32),
    prefix(
        "planetscale-token",
        "a PlanetScale token or password",
        &["pscale_tkn_", "pscale_pw_"],
        is_dotted,
        32,
        64,
    ),
    prefix("supabase-token", "a Supabase token", &["sbp_"], is_hex, 40, 40),
    // Secrets of operations.
    prefix("vault-token", "a Vault token", &["hvs.", "hvb.", "hvr."], is_url_safe, 24, 300),
    form("terraform-token", "a Terraform Cloud token", &[".atlasv1."], signed::terraform),
    prefix("pulumi-token", "a Pulumi token", &["pul-"], is_hex, 40, 40),
    prefix("doppler-token", "a Doppler token", &["dp.pt.", "dp.st."], is_dotted, 40, 64),
    prefix("grafana-token", "a Grafana token", &["glsa_", "glc_"], is_base64, 32, 400),
    prefix("new-relic-key", "a New Relic key", &["NRAK-"], is_upper, 27, 27),
    prefix("sentry-token", "a Sentry token", &["sntrys_", "sntryu_"], is_base64, 40, 400),
    // Forges and registries of packages.
    GITHUB,
    prefix(
        "github-fine-grained-token",
        "a GitHub fine-grained token",
        &["github_pat_"],
        is_word,
        82,
        82,
    ),
    prefix(
        "gitlab-token",
        "a GitLab token",
        &[
            "glpat-", "gldt-", "glrt-", "glptt-", "glcbt-", "glsoat-", "gloas-", "glimt-",
            "glagent-",
        ],
        is_dotted,
        20,
        300,
    ),
    prefix("bitbucket-token", "a Bitbucket app password", &["ATBB"], is_alnum, 32, 32),
    prefix(
        "atlassian-token",
        "an Atlassian token",
        &["ATATT3", "ATCTT3"],
        |byte| is_url_safe(byte) || byte == b'=',
        100,
        300,
    ),
    prefix("npm-token", "an npm token", &["npm_"], is_alnum, 36, 36),
    prefix("pypi-token", "a PyPI token", &["pypi-AgE"], is_url_safe, 50, 1000),
    prefix("crates-io-token", "a crates.io token", &["cio"], is_alnum, 32, 32),
    prefix("rubygems-key", "a RubyGems key", &["rubygems_"], is_hex, 48, 48),
    prefix("docker-token", "a Docker Hub token", &["dckr_pat_", "dckr_oat_"], is_url_safe, 27, 40),
    form("docker-auth", "a registry's name and password", &["\"auth\""], signed::docker),
    // Chat.
    form("slack-token", "a Slack token", &["xox", "xapp-"], signed::slack),
    form("slack-webhook", "a Slack webhook", &["hooks.slack.com/"], signed::slack_hook),
    form("discord-webhook", "a Discord webhook", &["/api/webhooks/"], signed::discord_hook),
    name("discord-token", "a Discord bot's token", |it| it.is_discord_token()),
    form("telegram-token", "a Telegram bot's token", &[":AA"], signed::telegram),
    // Payment.
    prefix(
        "stripe-key",
        "a Stripe key",
        &["sk_live_", "rk_live_", "sk_test_", "rk_test_"],
        is_alnum,
        20,
        250,
    ),
    prefix("stripe-webhook-secret", "a Stripe webhook's secret", &["whsec_"], is_base64, 32, 64),
    prefix("square-token", "a Square token", &["sq0atp-", "sq0csp-"], is_url_safe, 22, 43),
    prefix(
        "braintree-token",
        "a PayPal or Braintree token",
        &["access_token$production$"],
        |byte| is_hex(byte) || byte == b'$' || byte.is_ascii_lowercase(),
        49,
        49,
    ),
    prefix(
        "shopify-token",
        "a Shopify token",
        &["shpat_", "shpca_", "shppa_", "shpss_"],
        |byte| byte.is_ascii_hexdigit(),
        32,
        32,
    ),
    // Mail and messages.
    prefix("sendgrid-key", "a SendGrid key", &["SG."], is_dotted, 66, 66),
    form("mailgun-key", "a Mailgun key", &["key-"], signed::mailgun),
    form("mailchimp-key", "a Mailchimp key", &["-us"], signed::mailchimp),
    name("twilio-token", "a Twilio token", |it| it.is_twilio_token()),
    // Models.
    form("anthropic-key", "an Anthropic key", &["sk-"], signed::anthropic),
    form("openai-key", "an OpenAI key", &["T3BlbkFJ"], signed::openai),
    form("provider-key", "a model provider's key (sk-…)", &["sk-"], signed::provider_key),
    prefix(
        "hugging-face-token",
        "a Hugging Face token",
        &["hf_"],
        |byte| byte.is_ascii_alphabetic(),
        34,
        34,
    ),
    prefix("groq-key", "a Groq key", &["gsk_"], is_alnum, 52, 52),
    prefix("xai-key", "an xAI key", &["xai-"], is_alnum, 80, 80),
    prefix("perplexity-key", "a Perplexity key", &["pplx-"], is_alnum, 48, 48),
    prefix("replicate-token", "a Replicate token", &["r8_"], is_alnum, 37, 37),
    // Other services.
    prefix("linear-key", "a Linear key", &["lin_api_"], is_alnum, 40, 40),
    prefix("notion-token", "a Notion token", &["ntn_"], is_alnum, 43, 50),
    prefix("postman-key", "a Postman key", &["PMAK-"], |byte| is_hex(byte) || byte == b'-', 59, 59),
    // Forms of their own.
    form("jwt", "a signed JSON web token", &["eyJ"], signed::web_token),
    form("database-url", "a database's address with its password", &["://"], url::database),
    form("url-password", "an address with a password", &["://"], url::other),
    // By name.
    name("aws-secret-key", "an AWS secret key", |it| it.is_aws_secret()),
    name("azure-key", "an Azure key", |it| it.is_azure_key()),
    name("heroku-uuid-key", "a Heroku API key", |it| it.is_heroku_key()),
    name("generic-secret", "a value drawn by lot, by its name a secret", |it| it.is_secret()),
    name("generic-password", "a strong password, by its name", |it| it.is_password()),
];

/// The rule with this name.
pub fn rule(id: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.id == id)
}
