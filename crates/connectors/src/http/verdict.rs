//! What an answer means: the status of a response, or the lack of one, turned into a fault with its verdict.

use std::time::{Duration, SystemTime};

use hyper::StatusCode;
use hyper::header::{HeaderMap, RETRY_AFTER};
use inflight::{Fault, Verdict};

use super::link::{Broken, Cause};

/// Longest wait that a service can ask for; more is a mistake or a fight.
const WAIT_MAX: Duration = Duration::from_secs(3600);

/// Characters of a body that are shown in a message.
const SHOWN_CHARS_MAX: usize = 200;

/// Bytes of a body that are kept to show those: four are the most that one character has.
pub(super) const SHOWN_BYTES_MAX: usize = 4 * SHOWN_CHARS_MAX;

/// What a status that is no success says about the next try.
pub(super) fn of_status(status: StatusCode) -> Verdict {
    match status.as_u16() {
        429 | 503 => Verdict::Overload,
        408 | 500..=599 => Verdict::Transient,
        _ => Verdict::Permanent,
    }
}

/// How long the service asks to be left alone: seconds or a date; what is neither is ignored.
pub(super) fn wait_asked(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if let Ok(seconds) = text.parse() {
        Duration::from_secs(seconds)
    } else {
        let date = httpdate::parse_http_date(text).ok()?;
        date.duration_since(now).unwrap_or(Duration::ZERO)
    };
    Some(wait.min(WAIT_MAX))
}

/// The first part of a body, fit for one line of a terminal.
pub(super) fn shown(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let printable: String = text
        .trim()
        .chars()
        .take(SHOWN_CHARS_MAX)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    printable.trim_end().into()
}

/// Why a request that may have had an effect brought no answer.
pub(super) fn save_broken(title: &str, broken: Broken) -> Fault {
    match broken {
        Broken::Unsent(cause) => unsent(title, cause),
        Broken::Sent(cause) => Fault::in_doubt(format!("{title}: no whole answer"))
            .because(cause)
            .counted_as("no whole answer"),
    }
}

/// Why a request that has no effect brought no answer: nothing is in doubt then.
pub(super) fn fetch_broken(title: &str, broken: Broken) -> Fault {
    match broken {
        Broken::Unsent(cause) => unsent(title, cause),
        Broken::Sent(cause) => Fault::transient(format!("{title}: no whole answer"))
            .because(cause)
            .counted_as("no whole answer"),
    }
}

fn unsent(title: &str, cause: Cause) -> Fault {
    Fault::unreached(format!(
        "{title}: connection was closed before the request was sent"
    ))
    .because(cause)
    .counted_as("closed before the request was sent")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_seconds_or_dates_and_bounded() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        let check = |text: &str, expected: Option<u64>| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            assert_eq!(
                wait_asked(&headers, now),
                expected.map(Duration::from_secs),
                "{text}"
            );
        };
        check("2", Some(2));
        check("0", Some(0));
        check("99999", Some(3600));
        check("Sun, 06 Nov 1994 08:49:40 GMT", Some(3));
        check("Sun, 06 Nov 1994 08:49:30 GMT", Some(0));
        check("Sat, 06 Nov 2094 08:49:30 GMT", Some(3600));
        check("soon", None);
        check("-1", None);
        check("1.5", None);
        assert_eq!(wait_asked(&HeaderMap::new(), now), None);
    }

    #[test]
    fn bodies_are_shown_on_one_line() {
        assert_eq!(shown(b" a\r\nb\x1b[31m \n"), "a  b [31m");
        assert_eq!(shown("é".repeat(300).as_bytes()).chars().count(), 200);
    }
}
