//! Credentials that are made of several parts, each of which says something.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use memchr::memmem;
use serde_json::Value;

use super::guess;
use super::token::{
    around, begins_word, is_alnum, is_base64, is_hex, is_url_safe, is_word, run, run_before,
};

/// The longest part of a web token that is looked at, in bytes.
const PART_BYTES: usize = 4096;

/// A JSON web token: its head must decode and name an algorithm. The one that documents show (the
/// subject 1234567890) and unsigned ones are none.
pub fn web_token(text: &[u8], anchor: Range<usize>) -> Option<Range<usize>> {
    if !begins_word(text, anchor.start) {
        return None;
    }
    let head = run(text, anchor.start, PART_BYTES, is_url_safe);
    let payload = part(text, head.end)?;
    let signature = part(text, payload.end)?;
    if payload.len() < 10 || signature.len() < 20 {
        return None;
    }
    let head: Value = serde_json::from_slice(&decode(&text[head])?).ok()?;
    let algorithm = head.get("alg")?.as_str()?;
    let payload = decode(&text[payload])?;
    let shown = algorithm.eq_ignore_ascii_case("none") || guess::is_stand_in(&payload);
    (!shown).then_some(anchor.start..signature.end)
}

fn part(text: &[u8], dot: usize) -> Option<Range<usize>> {
    text.get(dot).filter(|byte| **byte == b'.')?;
    Some(run(text, dot + 1, PART_BYTES, is_url_safe))
}

fn decode(part: &[u8]) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}

/// A token of Slack's: `xoxb-` and the like, with numbers and a part drawn by lot.
pub fn slack(text: &[u8], anchor: Range<usize>) -> Option<Range<usize>> {
    if !begins_word(text, anchor.start) {
        return None;
    }
    let body = run(text, anchor.end, 260, |byte| is_url_safe(byte) || byte == b'.');
    let bytes = &text[body.clone()];
    let last = bytes.rsplit(|byte| *byte == b'-').next()?;
    let parts = bytes.split(|byte| *byte == b'-').count();
    let has_digit = bytes.iter().any(u8::is_ascii_digit);
    let real = parts >= 3 && last.len() >= 16 && has_digit && guess::is_random(last);
    (real && !guess::is_stand_in(bytes)).then_some(anchor.start..body.end)
}

/// An address that takes messages for a Slack channel.
pub fn slack_hook(text: &[u8], anchor: Range<usize>) -> Option<Range<usize>> {
    let path = run(text, anchor.end, 120, |byte| is_word(byte) || byte == b'/');
    let bytes = &text[path.clone()];
    let kinds = [b"services/T".as_slice(), b"workflows/T", b"triggers/"];
    let last = bytes.rsplit(|byte| *byte == b'/').next()?;
    let real = kinds.iter().any(|kind| bytes.starts_with(kind)) && last.len() >= 20;
    (real && guess::is_random(last)).then_some(anchor.start..path.end)
}

/// An address that takes messages for a Discord channel.
pub fn discord_hook(text: &[u8], anchor: Range<usize>) -> Option<Range<usize>> {
    let id = run(text, anchor.end, 21, |byte| byte.is_ascii_digit());
    let token = run(text, id.end + 1, 100, is_url_safe);
    let host = &text[anchor.start.saturating_sub(24)..anchor.start];
    let real = id.len() >= 17 && token.len() >= 60 && text.get(id.end) == Some(&b'/');
    let real = real && guess::holds(host, b"discord") && guess::is_random(&text[token.clone()]);
    real.then_some(anchor.start..token.end)
}

/// A Telegram bot's token: its number, a colon, and 35 characters.
pub fn telegram(text: &[u8], anchor: Range<usize>) -> Option<Range<usize>> {
    let number = run_before(text, anchor.start, 11, |byte| byte.is_ascii_digit());
    let body = run(text, anchor.start + 1, 36, is_url_safe);
    let real = (8..=10).contains(&number.len()) && body.len() == 35;
    // `bot` stands right before the number in addresses.
    let apart = begins_word(text, number.start) || text[..number.start].ends_with(b"bot");
    (real && apart && guess::is_random(&text[body.clone()])).then_some(number.start..body.end)
}

/// A key of OpenAI's, known by the letters in its middle.
pub fn openai(text: &[u8], anchor: Range<usize>) -> Option<Range<usize>> {
    let before = run_before(text, anchor.start, 160, is_url_safe);
    let after = run(text, anchor.end, 160, is_url_safe);
    let real = text[before.clone()].starts_with(b"sk-") && before.len() >= 18 && after.len() >= 18;
    (real && guess::is_random(&text[after.clone()])).then_some(before.start..after.end)
}

/// A key of Anthropic's.
pub fn anthropic(text: &[u8], anchor: Range<usize>) -> Option<Range<usize>> {
    let body = run(text, anchor.end, 200, is_url_safe);
    let bytes = &text[body.clone()];
    let real = bytes.starts_with(b"ant-") && bytes.len() >= 80 && guess::is_random(bytes);
    (real && begins_word(text, anchor.start)).then_some(anchor.start..body.end)
}

/// `sk-` and a long key, as OpenAI and those who copy its interface give out.
pub fn provider_key(text: &[u8], anchor: Range<usize>) -> Option<Range<usize>> {
    if !begins_word(text, anchor.start) || text[..anchor.start].ends_with(b"-") {
        return None;
    }
    let kinds = [b"or-v1-".as_slice(), b"proj-", b"svcacct-", b"admin-"];
    let kind = kinds.iter().find(|kind| text[anchor.end..].starts_with(kind));
    let body = run(text, anchor.end + kind.map_or(0, |kind| kind.len()), 200, is_alnum);
    let bytes = &text[body.clone()];
    let real = bytes.len() >= 32 && guess::is_key_like(bytes) && !guess::is_stand_in(bytes);
    real.then_some(anchor.start..body.end)
}

/// A client secret of Azure's directory: `Q~` in fourth and fifth place.
pub fn azure_client(text: &[u8], anchor: Range<usize>) -> Option<Range<usize>> {
    let class = |byte: u8| is_url_safe(byte) || b"~.".contains(&byte);
    let before = run_before(text, anchor.start, 4, class);
    let after = run(text, anchor.end, 36, class);
    let real = before.len() == 3 && (31..=34).contains(&after.len());
    (real && guess::is_random(&text[after.clone()])).then_some(before.start..after.end)
}

/// A signed address of Azure's storage.
pub fn azure_address(text: &[u8], anchor: Range<usize>) -> Option<Range<usize>> {
    let signature = run(text, anchor.end, 100, |byte| is_base64(byte) || byte == b'%');
    let bytes = &text[signature.clone()];
    let near = around(text, anchor.start, 400);
    let signed = [b"sv=".as_slice(), b"se="];
    let real = bytes.len() >= 43 && signed.iter().all(|it| memmem::find(near, it).is_some());
    (real && guess::is_random(bytes)).then_some(signature)
}

/// A key of Mailgun's: 32 digits, near its name.
pub fn mailgun(text: &[u8], anchor: Range<usize>) -> Option<Range<usize>> {
    let body = run(text, anchor.end, 33, is_hex);
    let real = begins_word(text, anchor.start) && body.len() == 32;
    let real = real && guess::is_random(&text[body.clone()]);
    let named = real && guess::holds(around(text, anchor.start, 256), b"mailgun");
    named.then_some(anchor.start..body.end)
}

/// A key of Mailchimp's: 32 digits and the place of its servers.
pub fn mailchimp(text: &[u8], anchor: Range<usize>) -> Option<Range<usize>> {
    let body = run_before(text, anchor.start, 33, is_hex);
    let place = run(text, anchor.end, 3, |byte| byte.is_ascii_digit());
    let real = body.len() == 32 && (1..=2).contains(&place.len());
    (real && guess::is_random(&text[body.clone()])).then_some(body.start..place.end)
}

/// A token of Terraform's cloud.
pub fn terraform(text: &[u8], anchor: Range<usize>) -> Option<Range<usize>> {
    let before = run_before(text, anchor.start, 15, is_alnum);
    let after = run(text, anchor.end, 80, is_url_safe);
    let real = before.len() == 14 && (60..=70).contains(&after.len());
    (real && guess::is_random(&text[after.clone()])).then_some(before.start..after.end)
}

/// The name and password of a registry, as Docker's configuration keeps them.
pub fn docker(text: &[u8], anchor: Range<usize>) -> Option<Range<usize>> {
    let filling = |byte: u8| byte.is_ascii_whitespace() || byte == b':';
    let open = run(text, anchor.end, 16, filling).end;
    text.get(open).filter(|byte| **byte == b'"')?;
    let value = run(text, open + 1, 2048, is_base64);
    text.get(value.end).filter(|byte| **byte == b'"')?;
    let pair = STANDARD.decode(&text[value.clone()]).ok()?;
    let colon = pair.iter().position(|byte| *byte == b':').filter(|at| *at > 0)?;
    let password = &pair[colon + 1..];
    let real = pair.iter().all(u8::is_ascii_graphic) && password.len() >= 8;
    (real && guess::sorts(password) >= 2 && !guess::is_word_or_template(password)).then_some(value)
}
