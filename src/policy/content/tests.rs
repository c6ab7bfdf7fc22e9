//! What is found and what is not. The samples are put together here, so that no scanner takes this
//! file for one that holds credentials; none was ever given out by anybody.

use proptest::prelude::*;

use super::search::find;
use super::*;

/// So many characters that look drawn by lot.
fn chance(alphabet: &str, count: usize) -> String {
    let letters: Vec<char> = alphabet.chars().collect();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        letters[(state % letters.len() as u64) as usize]
    };
    (0..count).map(next).collect()
}

const ALNUM: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const HEX: &str = "0123456789abcdef";

fn alnum(count: usize) -> String {
    chance(ALNUM, count)
}

fn hex(count: usize) -> String {
    chance(HEX, count)
}

/// A token of GitHub's form, with the checksum that such a token has.
fn github(prefix: &str) -> String {
    let digits = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let body = alnum(30);
    let mut rest = crc32fast::hash(body.as_bytes());
    let mut sum = [b'0'; 6];
    for place in sum.iter_mut().rev() {
        *place = digits[(rest % 62) as usize];
        rest /= 62;
    }
    format!("{prefix}_{body}{}", String::from_utf8(sum.to_vec()).unwrap())
}

fn web_token(head: &str, payload: &str) -> String {
    use base64::Engine as _;
    let encode = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.{}", encode(head), encode(payload), alnum(43))
}

fn pem(kind: &str) -> String {
    let (dash, body) = ("-".repeat(5), format!("MII{}\n{}", alnum(61), alnum(64)));
    format!("{dash}BEGIN {kind}{dash}\n{body}\n{dash}END {kind}{dash}\n")
}

/// A line of each kind, and the rule that must find it.
#[expect(clippy::too_many_lines, reason = "a table")]
fn credentials() -> Vec<(&'static str, String)> {
    let secret = alnum(40);
    let pair = |name: &str, value: &str| format!("{name} = \"{value}\"\n");
    let strong = format!("{}!{}", alnum(6), "x7Q");
    vec![
        ("private-key", pem("RSA PRIVATE KEY")),
        ("private-key", pem("OPENSSH PRIVATE KEY")),
        ("private-key", pem("ENCRYPTED PRIVATE KEY")),
        ("private-key", pem("PGP PRIVATE KEY BLOCK").replacen('\n', "\nVersion: 2.1\n\n", 1)),
        ("private-key", format!("k = \"{}\"", pem("EC PRIVATE KEY").replace('\n', "\\n"))),
        ("private-key", pem("PRIVATE KEY").replace('\n', "\\n\" +\n    \"")),
        (
            "google-service-account",
            format!(
                "{{\"type\": \"service_account\", \"private_key\": \"{}\"}}",
                pem("PRIVATE KEY").replace('\n', "\\n")
            ),
        ),
        (
            "putty-private-key",
            format!("PuTTY-User-{}3: ssh-rsa\nPrivate-Lines: 8\n{}", "Key-File-", alnum(64)),
        ),
        (
            "age-secret-key",
            format!("AGE-SECRET-{}{}", "KEY-1", chance("QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58)),
        ),
        ("aws-access-key", format!("AK{}{}", "IA", chance(UPPER, 16))),
        ("aws-secret-key", pair("aws_secret_access_key", &secret)),
        ("aws-secret-key", format!("AWS_SECRET_ACCESS_KEY={secret}\n")),
        ("google-api-key", format!("AI{}{}", "za", alnum(35))),
        ("google-client-secret", format!("GOC{}{}", "SPX-", alnum(28))),
        ("google-access-token", format!("ya{}{}", "29.", alnum(120))),
        ("azure-storage-key", format!("Account{}{}==", "Key=", alnum(86))),
        ("azure-shared-key", format!("SharedAccess{}{}=", "Key=", alnum(43))),
        (
            "azure-signed-url",
            format!("https://a.blob/x?sv=2021&se=2030&si{}{}%3D", "g=", alnum(43)),
        ),
        ("azure-client-secret", format!("{}8Q~{}", alnum(3), alnum(34))),
        ("azure-key", pair("storage_account_key", &format!("{}==", alnum(86)))),
        ("digitalocean-token", format!("do{}{}", "p_v1_", hex(64))),
        ("heroku-key", format!("HR{}{}", "KU-", alnum(36))),
        (
            "heroku-uuid-key",
            pair("HEROKU_API_KEY", &["c1d2e3f4-0a1b-", "4c2d-9e3f-5a6b7c8d9e0f"].concat()),
        ),
        ("alibaba-access-key", format!("LT{}{}", "AI", alnum(20))),
        ("databricks-token", format!("da{}{}", "pi", hex(32))),
        ("planetscale-token", format!("pscale{}{}", "_tkn_", alnum(43))),
        ("supabase-token", format!("sb{}{}", "p_", hex(40))),
        ("vault-token", format!("hv{}{}", "s.", alnum(90))),
        ("terraform-token", format!("{}.atlas{}{}", alnum(14), "v1.", alnum(67))),
        ("pulumi-token", format!("pu{}{}", "l-", hex(40))),
        ("doppler-token", format!("dp.{}{}", "pt.", alnum(43))),
        ("grafana-token", format!("gl{}{}", "sa_", alnum(40))),
        ("new-relic-key", format!("NR{}{}", "AK-", chance(UPPER, 27))),
        ("sentry-token", format!("sntr{}{}", "yu_", hex(64))),
        ("github-token", github("ghp")),
        ("github-token", github("ghs")),
        ("github-token", format!("gh{}{}", "r_", alnum(76))),
        ("github-fine-grained-token", format!("github{}{}_{}", "_pat_", alnum(22), alnum(59))),
        ("gitlab-token", format!("gl{}{}", "pat-", alnum(20))),
        ("bitbucket-token", format!("AT{}{}", "BB", alnum(32))),
        ("atlassian-token", format!("ATA{}{}", "TT3", alnum(186))),
        ("npm-token", format!("np{}{}", "m_", alnum(36))),
        ("pypi-token", format!("py{}{}", "pi-AgE", alnum(120))),
        ("crates-io-token", format!("ci{}{}", "o", alnum(32))),
        ("rubygems-key", format!("ruby{}{}", "gems_", hex(48))),
        ("docker-token", format!("dckr{}{}", "_pat_", alnum(27))),
        (
            "docker-auth",
            format!("{{\"auth\": \"{}\"}}", {
                use base64::Engine as _;
                base64::engine::general_purpose::STANDARD.encode(format!("marc:{strong}"))
            }),
        ),
        ("slack-token", format!("xo{}273645-71829364551-{}", "xb-918", alnum(24))),
        ("slack-webhook", format!("https://hooks.{}T01/B02/{}", "slack.com/services/", alnum(24))),
        (
            "discord-webhook",
            format!(
                "https://discord.com/api{}{}/{}",
                "/webhooks/",
                "918273645546372819",
                alnum(68)
            ),
        ),
        ("discord-token", pair("bot_token", &format!("M{}.{}.{}", alnum(23), alnum(6), alnum(27)))),
        ("telegram-token", format!("982736451:{}{}", "AA", alnum(33))),
        ("stripe-key", format!("sk{}{}", "_live_", alnum(24))),
        ("stripe-webhook-secret", format!("wh{}{}", "sec_", alnum(32))),
        ("square-token", format!("sq0{}{}", "atp-", alnum(22))),
        (
            "braintree-token",
            format!(
                "access{}{}${}",
                "_token$production$",
                chance("abcdefghjk0123456789", 16),
                hex(32)
            ),
        ),
        ("shopify-token", format!("shp{}{}", "at_", hex(32))),
        ("sendgrid-key", format!("S{}{}.{}", "G.", alnum(22), alnum(43))),
        ("mailgun-key", format!("mailgun: ke{}{}", "y-", hex(32))),
        ("mailchimp-key", format!("{}-u{}", hex(32), "s12")),
        ("twilio-token", pair("TWILIO_AUTH_TOKEN", &hex(32))),
        ("anthropic-key", format!("sk{}{}", "-ant-api03-", alnum(93))),
        ("openai-key", format!("sk-proj-{}T3Blbk{}{}", alnum(40), "FJ", alnum(40))),
        ("provider-key", format!("s{}{}", "k-", alnum(48))),
        ("provider-key", format!("s{}{}", "k-or-v1-", hex(64))),
        ("hugging-face-token", format!("h{}{}", "f_", chance(&ALNUM[..52], 34))),
        ("groq-key", format!("gs{}{}", "k_", alnum(52))),
        ("xai-key", format!("xa{}{}", "i-", alnum(80))),
        ("perplexity-key", format!("ppl{}{}", "x-", alnum(48))),
        ("replicate-token", format!("r{}{}", "8_", alnum(37))),
        ("linear-key", format!("lin{}{}", "_api_", alnum(40))),
        ("notion-token", format!("nt{}{}", "n_", alnum(46))),
        ("postman-key", format!("PM{}{}-{}", "AK-", hex(24), hex(34))),
        (
            "jwt",
            web_token(
                "{\"alg\":\"HS256\",\"typ\":\"JWT\"}",
                "{\"sub\":\"marc\",\"iat\":1767225600}",
            ),
        ),
        ("database-url", format!("DATABASE_URL=postgres:{}{}@db.acme.io/app", "//app:", alnum(12))),
        ("database-url", format!("mongodb+srv:{}{}@c0.mongodb.net", "//app:", alnum(12))),
        ("url-password", format!("https:{}{}@ci.acme.io/x", "//bot:", alnum(16))),
        ("generic-secret", pair("client_secret", &alnum(32))),
        ("generic-secret", format!("{{\"apiKey\": \"{}\"}}", alnum(24))),
        ("generic-secret", format!("  api-key: {}\n", alnum(32))),
        ("generic-secret", format!("Authorization: Bearer {}\n", alnum(40))),
        ("generic-secret", format!("const TOKEN: &str = \"{}\";", alnum(32))),
        ("generic-secret", format!("setenv('AUTH_TOKEN', '{}')", alnum(32))),
        ("generic-secret", format!("<secret>{}</secret>", alnum(32))),
        ("generic-secret", format!("//registry/:_authToken={}\n", alnum(36))),
        ("generic-password", pair("password", &strong)),
        ("generic-password", format!("export DB_PASSWD={strong}\n")),
    ]
}

fn rules_in(text: &str) -> Vec<&'static str> {
    let found = ContentPolicy::default().scan(None, text.as_bytes());
    found.iter().map(|it| it.rule).collect()
}

#[test]
fn each_kind_is_found_by_its_rule() {
    let mut without: BTreeSet<&str> = RULES.iter().map(|rule| rule.id).collect();
    for (rule, line) in credentials() {
        assert_eq!(rules_in(&line), [rule], "{line}");
        // Nor does it matter what stands around it.
        assert_eq!(rules_in(&format!("# é\n\n{line}\n\nx = 1\n")), [rule], "{line}");
        without.remove(rule);
    }
    assert!(without.is_empty(), "no sample for {without:?}");
}

#[test]
fn stand_ins_and_what_only_looks_so_is_not() {
    let aws = format!("AK{}", "IAIOSFODNN7EXAMPLE");
    let uuid = "token = \"6fa459ea-ee8a-3ca4-894e-db77e160355e\"";
    let hello = web_token("{\"alg\":\"HS256\"}", "{\"sub\":\"1234567890\",\"name\":\"John Doe\"}");
    let unsigned = web_token("{\"alg\":\"none\"}", "{\"sub\":\"marc\",\"iat\":1767225600}");
    let no_head = web_token("{\"x\":\"HS256\"}", "{\"sub\":\"marc\",\"iat\":1767225600}");
    let wrong_sum = format!("gh{}{}", "p_", alnum(36));
    let header =
        format!("if line.startswith('{}BEGIN RSA PRIVATE KEY-----'):\n    read()", "-".repeat(5));
    let dots = pem("PRIVATE KEY").replace(&alnum(61), "...").replace(&alnum(64), "...");
    let integrity = format!("\"integrity\": \"sha512-{}==\"", alnum(86));
    let image = format!("src=\"data:image/png;base64,{}\"", alnum(400));
    let minified = format!("var t=e.token,n=t.key||\"{}\";r.secret=n", "function");
    let texts = [
        aws.as_str(),
        uuid,
        &hello,
        &unsigned,
        &no_head,
        &wrong_sum,
        &header,
        &dots,
        &integrity,
        &image,
        &minified,
        "password = \"changeme\"",
        "password = \"correct horse battery staple\"",
        "password = os.environ[\"DB_PASSWORD\"]",
        "password: ${{ secrets.DB_PASSWORD }}",
        "password = \"Test1234!\"",
        "api_key = \"YOUR_API_KEY_GOES_HERE_1234\"",
        "API_KEY=xxxxxxxxxxxxxxxxxxxx1234",
        "secret_key_base: <%= ENV[\"SECRET_KEY_BASE\"] %>",
        "token_type = \"urn:ietf:params:oauth:token-type:jwt2\"",
        "token = generate_token_for_user_2(user_id_1)",
        "tokens = \"a1b2\"",
        "let token = Token::Ident(\"foo2bar\");",
        "postgres://user:pass@localhost/db",
        "postgres://postgres:postgres@db:5432/app",
        "postgres://app:${PASSWORD}@db.acme.io/app",
        "postgres://app:***@db.acme.io/app",
        "mysql://root:Zk3qP9xV1m@127.0.0.1/app",
        "https://user:Zk3qP9xV1m@example.com/",
        "https://github.com/acme/widget@v1.2.3",
        "git+ssh://git@github.com:22/acme/widget.git",
        "sha256 = \"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"",
        "checksum = \"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"",
        "password_hash = \"pbkdf2_sha256$260000$Zk3qP9xV1mT7$bQ2rLw8sNc4dYf6gHj\"",
        "public_key = \"MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA7bq\"",
        "csrf_token = \"Zk3qP9xV1mT7bQ2rLw8sNc4dYf6gHj\"",
        "next_page_token: \"Zk3qP9xV1mT7bQ2rLw8sNc4dYf6gHj\"",
        "key = \"Zk3qP9xV1mT7bQ2rLw8sNc4dYf6gHj\"",
        "commit: 3f786850e387550fdab836ed7e6dc881de23001b",
    ];
    for text in texts {
        assert_eq!(rules_in(text), [""; 0], "{text}");
    }
}

#[test]
fn places_are_told_and_the_text_is_not() {
    let token = github("ghp");
    let text = format!("a\nbé token = \"{token}\"\r\n{token}");
    let found = ContentPolicy::default().scan(None, text.as_bytes());
    assert_eq!(format!("{found:?}"), "[2:14 github-token, 3:1 github-token]");
}

#[test]
fn marker_rules_and_paths_let_pass() {
    let token = github("ghp");
    let text = format!("a = \"{token}\"  # allow-it\nb = \"{token}\"\n");
    let policy = |allow: &[&str], paths: &[&str]| {
        let own = |texts: &[&str]| texts.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        ContentPolicy::new(OnCredential::Block, &own(allow), &own(paths), "allow-it")
    };
    let allowed = |paths: &[&str], at: &str| {
        let found = policy(&[], paths).unwrap().scan(Some(at), text.as_bytes());
        found.iter().map(|it| it.is_allowed).collect::<Vec<_>>()
    };
    assert_eq!(allowed(&[], "src/a.py"), [true, false]);
    assert_eq!(allowed(&["src/*.py"], "src/a.py"), [true, true]);
    assert_eq!(allowed(&["*.py"], "src/a.py"), [true, false]);
    assert_eq!(allowed(&["**/*.py"], "src/a.py"), [true, true]);
    assert_eq!(allowed(&["src/"], "src/deep/a.py"), [true, true]);
    assert_eq!(allowed(&["github-token:src/"], "src/a.py"), [true, true]);
    assert_eq!(allowed(&["jwt:src/"], "src/a.py"), [true, false]);
    assert_eq!(
        allowed(&[&exception("github-token", "app/[id]/a.py")], "app/[id]/a.py"),
        [true, true]
    );
    assert!(policy(&["github-token"], &[]).unwrap().scan(None, text.as_bytes()).is_empty());
    assert_eq!(policy(&["github"], &[]).unwrap_err().why, "there is no rule `github`");
    assert_eq!(policy(&[], &["a[z"]).unwrap_err().key, "policy.allow_paths");
    let off = ContentPolicy { on_credential: OnCredential::Ignore, ..ContentPolicy::default() };
    assert!(off.scan(None, text.as_bytes()).is_empty());
}

#[test]
fn names_mean_nothing_in_binary_content() {
    let token = github("ghp");
    let secret = format!("client_secret = \"{}\"\n", alnum(32));
    let binary = format!("\0{secret}{token}\n");
    assert_eq!(rules_in(&binary), ["github-token"]);
    let wide: Vec<u8> =
        std::iter::once(0xFEFF).chain(secret.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let found = ContentPolicy::default().scan(None, &wide);
    assert_eq!(format!("{found:?}"), "[1:18 generic-secret]");
}

#[test]
fn text_is_redacted_whole() {
    let (token, key) = (github("ghp"), pem("RSA PRIVATE KEY"));
    let text = format!("é {token} and\n{key}and password = \"{}\".\n", "Zk3!qP9x");
    let (redacted, found) = ContentPolicy::default().redact(&text);
    let expected = "é [redacted: github-token] and\n[redacted: private-key]\nand password = \
                    \"[redacted: generic-password]\".\n";
    assert_eq!(redacted, expected);
    assert_eq!(found.len(), 3);
    let unended = key.split("-----END").next().unwrap();
    let (redacted, _) = ContentPolicy::default().redact(&format!("{unended}(that was it)"));
    assert_eq!(redacted, "[redacted: private-key]\n(that was it)");
}

#[test]
fn the_table_is_sound() {
    let mut ids = BTreeSet::new();
    let mut anchors: Vec<&str> = assignment::WORDS.to_vec();
    for rule in RULES {
        assert!(ids.insert(rule.id), "{}", rule.id);
        assert!(
            rule.id.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'),
            "{}",
            rule.id
        );
        if let rules::Find::Prefix(own, _) | rules::Find::Form(own, _) = &rule.find {
            anchors.extend(own.iter().filter(|it| !anchors.contains(it)).collect::<Vec<_>>());
        }
    }
    // Of two that begin at one place only one is seen.
    for (at, one) in anchors.iter().enumerate() {
        let clash = anchors.iter().enumerate().find(|(i, it)| *i != at && it.starts_with(one));
        assert_eq!(clash, None, "{one}");
    }
}

/// Every offset, so that nothing depends on where in the content a credential stands.
#[test]
fn what_stands_far_away_changes_nothing() {
    let policy = ContentPolicy::default();
    for (rule, line) in credentials() {
        for before in [1, 63, REACH_BYTES - 1, REACH_BYTES] {
            let text = format!("{}\n{line}\n{}", "y ".repeat(before), "z\n".repeat(before));
            let found = policy.scan(None, text.as_bytes());
            assert_eq!(found.iter().map(|it| it.rule).collect::<Vec<_>>(), [rule], "{line}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        ContentPolicy::default().scan(Some("a"), &bytes);
    }

    /// Pieces of what rules look for, in any order.
    #[test]
    fn no_pieces_panic_or_overlap(pieces in proptest::collection::vec(0_usize..400, 0..40)) {
        let all = credentials();
        let odd = ["\"", "'", "\\", "=", ":", " ", "\n", "://", "@", "-----BEGIN ", "PRIVATE KEY", ".", "é", "("];
        let text: String = pieces.iter().map(|at| match all.get(*at / 2) {
            Some((_, line)) => &line[..line.floor_char_boundary(line.len() / (1 + at % 2))],
            None => odd[at % odd.len()],
        }).collect();
        let found = find(text.as_bytes(), false);
        prop_assert!(found.windows(2).all(|it| it[0].range.end <= it[1].range.start));
        let (redacted, matches) = ContentPolicy::default().redact(&text);
        prop_assert_eq!(matches.len(), found.len());
        let shown = format!("{matches:?}");
        for it in &found {
            let secret = &text[it.range.clone()];
            prop_assert!(!shown.contains(secret));
            prop_assert!(text.matches(secret).count() > 1 || !redacted.contains(secret));
        }
    }
}

#[test]
fn parts_hold_what_the_whole_holds() {
    let policy = ContentPolicy::default();
    let mut text = String::new();
    for n in 0..40 {
        text.push_str(&"some words that say nothing\n".repeat(37 * n % 200));
        text.push_str(&"x".repeat(n * 11));
        text.push_str(&format!(" token = {}\n", github("ghp")));
    }
    let utf16: Vec<u8> =
        [0xFEFF_u16].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let binary = [b"\0\n".as_slice(), text.as_bytes()].concat();
    for content in [text.as_bytes(), &utf16, &binary] {
        let whole = policy.scan(Some("a"), content);
        assert!(whole.len() >= 40, "{}", whole.len());
        for part in [20_000, 32 << 10, 50_002, 1 << 20] {
            let mut stream = Stream::new(&policy, "a");
            let count = content.chunks(part).count();
            let parts = content.chunks(part).enumerate();
            let found = parts.flat_map(|(n, it)| stream.feed(it, n + 1 == count));
            assert_eq!(found.collect::<Vec<_>>(), whole, "in parts of {part}");
        }
    }
}
