//! Reads what was answered: of a body what is wanted and never more than the cap, of a refusal its meaning.

use std::time::{Duration, SystemTime};

use hyper::StatusCode;
use hyper::header::{HeaderMap, LOCATION};
use hyper::http::response::Parts;
use inflight::{Fault, Verdict};

use super::broken::Broken;
use super::charset;
use super::encoding::Unpacking;
use super::head::Head;
use super::link::Link;
use super::verdict::{self, Meaning, Named, StatusChanges};
use super::wait::{self, Wait};
use crate::jsonl;
use crate::row::Value;

/// Bytes of a refusal that are read, so that its connection can be used again; a longer one is cut.
const REFUSAL_BYTES_MAX: usize = 1 << 20;

/// Bytes of a refusal that are looked at: what it says of itself as JSON.
const REFUSAL_BYTES_KEPT: usize = 16 << 10;

/// A quota that is used up for longer than [`wait::WAIT_MAX`] stops a run, which goes on later. What is longer than this is no quota
/// but a mistake: the longest are given by the month.
const QUOTA_MAX_S: f64 = 32.0 * 86_400.0;

/// How much of a body to read.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    /// Bytes that are kept; the rest is read past.
    pub(super) keep: usize,
    /// Bytes that are read at most; beyond them the connection is given up.
    pub(super) most: usize,
}

/// The beginning of a body.
#[derive(Default)]
pub(super) struct Text {
    pub(super) bytes: Vec<u8>,
    /// Whether the body went on beyond the cap.
    pub(super) is_cut: bool,
}

impl Text {
    /// How many tokens the answer says that it has cost, in `usage.total_tokens`; `None` where it says none.
    pub(super) fn tokens(&self) -> Option<f64> {
        let text = std::str::from_utf8(&self.bytes).ok()?;
        match jsonl::field(text, "usage.total_tokens")? {
            Value::Json(number) => number.parse().ok().filter(|cost: &f64| *cost >= 0.0),
            Value::Text(_) | Value::Null => None,
        }
    }
}

/// Reads the body of an answer with these headers to its end, so that the connection can be used again, or to the cap.
/// What is kept is what the service meant: unpacked, and in UTF-8 if it is a text in another charset.
pub(super) async fn read(
    link: &mut Link,
    headers: &HeaderMap,
    bounds: Bounds,
) -> Result<Text, Broken> {
    if bounds.keep == 0 {
        return read_plain(link, bounds).await;
    }
    let text = match Unpacking::of(headers) {
        Ok(None) => read_plain(link, bounds).await?,
        Ok(Some(unpacking)) => read_packed(link, unpacking, bounds).await?,
        Err(why) => {
            link.abandon();
            return Err(Broken::Unreadable(why));
        }
    };
    let is_whole = !text.is_cut && text.bytes.len() < bounds.keep;
    let bytes = charset::to_utf8(headers, text.bytes, is_whole).map_err(Broken::Unreadable)?;
    Ok(Text { bytes, ..text })
}

async fn read_plain(link: &mut Link, bounds: Bounds) -> Result<Text, Broken> {
    let mut text = Text::default();
    let mut read = 0;
    while let Some(data) = link.next().await? {
        read += data.len();
        let room = bounds.keep - text.bytes.len();
        text.bytes.extend_from_slice(&data[..data.len().min(room)]);
        if read > bounds.most {
            text.is_cut = true;
            link.abandon();
            break;
        }
    }
    Ok(text)
}

/// The bounds are those of what comes out.
async fn read_packed(
    link: &mut Link,
    mut unpacking: Unpacking,
    bounds: Bounds,
) -> Result<Text, Broken> {
    let mut text = Text::default();
    while let Some(data) = link.next().await? {
        let unpacked = unpacking.push(&data, &mut text.bytes);
        if text.bytes.len() <= bounds.keep {
            if unpacked.is_err() {
                link.abandon();
            }
            unpacked.map_err(Broken::Unreadable)?;
            continue;
        }
        text.bytes.truncate(bounds.keep);
        if bounds.keep < bounds.most {
            // Only the beginning is wanted.
            let rest = read_plain(link, Bounds { keep: 0, ..bounds }).await?;
            text.is_cut = rest.is_cut;
        } else {
            text.is_cut = true;
            link.abandon();
        }
        return Ok(text);
    }
    unpacking.finish().map_err(Broken::Unreadable)?;
    Ok(text)
}

/// An answer that is no success.
pub(super) struct Refusal {
    pub(super) fault: Fault,
    /// Whether it is about who asks.
    pub(super) is_of_credentials: bool,
    /// Whether it is said that who asks is known, and not allowed to (403).
    pub(super) is_forbidden: bool,
}

/// The fault for an answer that is no success. The status says enough, so a body that breaks off is no matter.
pub(super) async fn refused(
    link: &mut Link,
    head: &Head,
    title: &str,
    changes: &StatusChanges,
    answer: &Parts,
) -> Refusal {
    let status = answer.status;
    let bounds = Bounds {
        keep: REFUSAL_BYTES_KEPT,
        most: REFUSAL_BYTES_MAX,
    };
    let headers = &answer.headers;
    let mut text_bytes = Vec::new();
    let text = match read(link, headers, bounds).await {
        Ok(text) => {
            text_bytes = text.bytes;
            head.hide(verdict::shown(&text_bytes))
        }
        Err(Broken::Unreadable(why)) => format!("the body {why}"),
        Err(_) => String::new(),
    };
    let judged = judge(
        changes.meaning(status),
        changes.is_changed(status),
        status,
        headers,
    );
    let mut message = format!("{title} answered {}", Named(status));
    if let Some(place) = headers.get(LOCATION).filter(|_| status.is_redirection()) {
        let place = head.hide(verdict::shown(place.as_bytes()));
        message.push_str(&format!(", Location {place}"));
    }
    let spent = spent(&judged, &text_bytes);
    if spent.is_none() && judged.wait.is_some_and(|wait| wait.is_clamped) {
        message
            .push_str(", and asks for a wait of more than 1 h, which is the longest that is kept");
    }
    if !text.is_empty() {
        message.push_str(&format!(": {text}"));
    }
    if let Some(spent) = spent {
        return Refusal {
            fault: Fault::stops_run(format!("{message}; {spent}")),
            is_of_credentials: false,
            is_forbidden: false,
        };
    }
    // The body may repeat the item, so a report counts by the status alone.
    let mut fault =
        Fault::new(judged.verdict, message).counted_as(format!("answered {}", Named(status)));
    if !says_of_another(status) {
        fault = fault.answered();
    }
    if judged.is_by_quota {
        fault = fault.by_quota();
    }
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        fault = fault.too_large();
    }
    if let Some(wait) = judged.wait {
        fault = fault.retry_after(wait.lasts);
    }
    Refusal {
        fault,
        is_of_credentials: judged.is_of_credentials,
        is_forbidden: status == StatusCode::FORBIDDEN,
    }
}

/// Why no request will be taken for so long that a run should not wait, and when it can go on; `None` where none need to.
fn spent(judged: &Judged, body: &[u8]) -> Option<String> {
    let wait = judged
        .wait
        .filter(|wait| wait.is_clamped && wait.asked_s < QUOTA_MAX_S);
    if let Some(wait) = wait.filter(|_| judged.is_by_quota) {
        let until = SystemTime::now() + Duration::from_secs_f64(wait.asked_s);
        let until = humantime::format_rfc3339_seconds(until);
        return Some(format!(
            "the quota is used up until {until}; the same command goes on then"
        ));
    }
    let text = std::str::from_utf8(body).ok()?;
    let says =
        |path| matches!(jsonl::field(text, path), Some(Value::Text(code)) if code == NO_QUOTA);
    let is_spent = judged.is_by_quota && ["error.code", "error.type", "code"].into_iter().any(says);
    is_spent
        .then(|| "the account has no quota left; the same command goes on when it has".to_owned())
}

/// The code of an error that no wait mends: the account is used up.
const NO_QUOTA: &str = "insufficient_quota";

/// Whether a gateway says this of the service behind it: that did not answer at all.
fn says_of_another(status: StatusCode) -> bool {
    matches!(status.as_u16(), 502 | 504 | 520..=530)
}

/// What a refusal comes to.
struct Judged {
    verdict: Verdict,
    is_of_credentials: bool,
    /// How long the service asks to be left alone.
    wait: Option<Wait>,
    /// Whether a quota over time is the reason.
    is_by_quota: bool,
}

/// A wait that is asked for is obeyed whatever the status, unless the user has said what that means.
fn judge(meaning: Meaning, is_changed: bool, status: StatusCode, headers: &HeaderMap) -> Judged {
    let now = SystemTime::now();
    let asked = wait::asked(headers, now);
    let is_used_up = wait::is_used_up(headers);
    let is_quota_refusal =
        status == StatusCode::TOO_MANY_REQUESTS || (status == StatusCode::FORBIDDEN && is_used_up);
    // To ask for no wait at all is not to ask for less.
    let asks_for_less = is_quota_refusal || asked.is_some_and(|wait| !wait.lasts.is_zero());
    let is_overload = match meaning {
        Meaning::Overload => true,
        _ => asks_for_less && !is_changed,
    };
    if is_overload {
        return Judged {
            verdict: Verdict::Overload,
            is_of_credentials: false,
            wait: asked.or_else(|| wait::quota_reset(headers, now)),
            is_by_quota: is_quota_refusal || is_used_up,
        };
    }
    Judged {
        verdict: match meaning {
            Meaning::Transient => Verdict::Transient,
            _ => Verdict::Permanent,
        },
        is_of_credentials: meaning == Meaning::Credentials,
        wait: None,
        is_by_quota: false,
    }
}
