//! Reads what was answered: of a body what is wanted and never more than the cap, of a refusal its meaning.

use std::time::SystemTime;

use hyper::StatusCode;
use hyper::http::response::Parts;
use inflight::{Fault, Verdict};

use super::head::Head;
use super::link::{Broken, Link};
use super::verdict;

/// Bytes of a refusal that are read, so that its connection can be used again; a longer one is cut.
const REFUSAL_BYTES_MAX: usize = 1 << 20;

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

/// Reads the body of an answer to its end, so that the connection can be used again, or to the cap.
pub(super) async fn read(link: &mut Link, bounds: Bounds) -> Result<Text, Broken> {
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

/// The fault for an answer that is no success. The status says enough, so a body that breaks off is no matter.
pub(super) async fn refused(link: &mut Link, head: &Head, title: &str, answer: &Parts) -> Fault {
    let status = answer.status;
    let verdict = verdict::of_status(status);
    let wait = verdict::wait_asked(&answer.headers, SystemTime::now());
    let bounds = Bounds {
        keep: verdict::SHOWN_BYTES_MAX,
        most: REFUSAL_BYTES_MAX,
    };
    let text = match read(link, bounds).await {
        Ok(text) => head.hide(verdict::shown(&text.bytes)),
        Err(_) => String::new(),
    };
    let colon = if text.is_empty() { "" } else { ": " };
    // The body may repeat the item, so a report counts by the status alone.
    let mut fault = Fault::new(verdict, format!("{title} answered {status}{colon}{text}"))
        .counted_as(format!("answered {status}"));
    if status == StatusCode::TOO_MANY_REQUESTS {
        fault = fault.by_quota();
    }
    if let (Verdict::Overload, Some(wait)) = (verdict, wait) {
        fault = fault.retry_after(wait);
    }
    fault
}
