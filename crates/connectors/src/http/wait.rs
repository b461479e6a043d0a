//! How long a service asks to be left alone: pure, of the headers of one answer.
//!
//! Services say it in many ways: `Retry-After` as seconds, with fractions, as a list or as a date; `retry-after-ms`; the time at
//! which a quota is full again. A time of day is measured by the answer's own `Date`, since clocks differ.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::header::{DATE, HeaderMap, RETRY_AFTER};

/// The same as `Retry-After`, in milliseconds.
pub(super) const RETRY_AFTER_MS: &str = "retry-after-ms";

/// Longest wait that a service can ask for; more is a mistake or a fight.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(3600);

/// Above this, a number of seconds is the time since 1970 and no wait: 31 years.
pub(super) const EPOCH_MIN_S: f64 = 1e9;

/// Above this, such a time is in milliseconds.
const EPOCH_MIN_MS: f64 = 1e11;

/// A wait that was asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Wait {
    /// How long, [`WAIT_MAX`] at most.
    pub(super) lasts: Duration,
    /// Whether more was asked for.
    pub(super) is_clamped: bool,
    /// How long that would have been, in seconds.
    pub(super) asked_s: f64,
}

impl Wait {
    fn of_seconds(seconds: f64) -> Option<Wait> {
        if seconds.is_nan() {
            return None;
        }
        let is_clamped = seconds > WAIT_MAX.as_secs_f64();
        let lasts = if is_clamped {
            WAIT_MAX
        } else {
            Duration::from_secs_f64(seconds.max(0.0))
        };
        Some(Wait {
            lasts,
            is_clamped,
            asked_s: seconds,
        })
    }
}

/// What `retry-after-ms` or `Retry-After` says; what is no time is ignored. `now` counts where the answer has no `Date`.
pub(super) fn asked(headers: &HeaderMap, now: SystemTime) -> Option<Wait> {
    let now = clock(headers, now);
    let milliseconds = headers
        .get(RETRY_AFTER_MS)
        .and_then(|value| number(value.to_str().ok()?.trim()))
        .and_then(|ms| Wait::of_seconds(ms / 1e3));
    milliseconds.or_else(|| {
        let values = headers.get_all(RETRY_AFTER).iter();
        values
            .filter_map(|value| retry_after(value.to_str().ok()?, now))
            .max_by_key(|wait| (wait.lasts, wait.is_clamped))
    })
}

/// When the quotas that are used up are full again, by headers such as `x-ratelimit-reset-tokens`.
///
/// One of which something remains, by a header of the same name with `remaining`, says nothing.
pub(super) fn quota_reset(headers: &HeaderMap, now: SystemTime) -> Option<Wait> {
    let now = clock(headers, now);
    let resets = headers.iter().filter(|(name, _)| {
        let name = name.as_str();
        is_of_quota(name) && name.contains("reset")
    });
    resets
        .filter(|(name, _)| {
            let remaining = headers.get(name.as_str().replace("reset", "remaining"));
            remaining.is_none_or(is_none_left)
        })
        .filter_map(|(_, value)| reset(value.to_str().ok()?.trim(), now))
        .max_by_key(|wait| (wait.lasts, wait.is_clamped))
}

/// How long it takes by this value of a reset, by the clock of the answer; `None` where it is no time.
pub(super) fn resets_in(headers: &HeaderMap, text: &str, now: SystemTime) -> Option<Duration> {
    reset(text, clock(headers, now)).map(|wait| wait.lasts)
}

/// Whether a header says that nothing is left of a quota.
pub(super) fn is_used_up(headers: &HeaderMap) -> bool {
    headers.iter().any(|(name, value)| {
        let name = name.as_str();
        is_of_quota(name) && name.contains("remaining") && is_none_left(value)
    })
}

pub(super) fn is_of_quota(name: &str) -> bool {
    name.contains("ratelimit") || name.contains("rate-limit")
}

fn is_none_left(value: &hyper::header::HeaderValue) -> bool {
    let text = value.to_str().unwrap_or_default().trim();
    text.parse::<f64>().is_ok_and(|left| left <= 0.0)
}

/// What the clock of the service says.
fn clock(headers: &HeaderMap, now: SystemTime) -> SystemTime {
    headers
        .get(DATE)
        .and_then(|value| httpdate::parse_http_date(value.to_str().ok()?.trim()).ok())
        .unwrap_or(now)
}

/// Seconds, a list of them, or a date.
fn retry_after(text: &str, now: SystemTime) -> Option<Wait> {
    if let Ok(date) = httpdate::parse_http_date(text.trim()) {
        return until(date, now);
    }
    // A proxy that adds its own makes a list of it: the longest serves them all.
    let waits = text.split(',').filter_map(|part| reset(part.trim(), now));
    waits.max_by_key(|wait| (wait.lasts, wait.is_clamped))
}

/// Seconds, a duration, a time since 1970, or a date with its time.
fn reset(text: &str, now: SystemTime) -> Option<Wait> {
    if let Some(number) = number(text) {
        let since_1970 = now.duration_since(UNIX_EPOCH).ok()?.as_secs_f64();
        return Wait::of_seconds(match number {
            // Farther off than any clock goes: no time of day.
            _ if number > 1e14 => f64::INFINITY,
            _ if number > EPOCH_MIN_MS => number / 1e3 - since_1970,
            _ if number > EPOCH_MIN_S => number - since_1970,
            _ => number,
        });
    }
    if let Some(seconds) = duration(text) {
        return Wait::of_seconds(seconds);
    }
    until(rfc3339(text)?, now)
}

fn until(date: SystemTime, now: SystemTime) -> Option<Wait> {
    Wait::of_seconds(date.duration_since(now).unwrap_or_default().as_secs_f64())
}

/// Digits, perhaps with a fraction: none of what else counts as a number to a computer.
fn number(text: &str) -> Option<f64> {
    let is_plain = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    text.parse().ok().filter(|_| is_plain)
}

/// Seconds of a duration such as `12ms`, `1m30.5s` or `1h`.
fn duration(text: &str) -> Option<f64> {
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let value = number(&rest[..digits])?;
        rest = &rest[digits..];
        let end = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        seconds += value
            * match rest[..end].trim() {
                "ns" => 1e-9,
                "us" | "µs" | "μs" => 1e-6,
                "ms" => 1e-3,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                "d" => 86_400.0,
                _ => return None,
            };
        rest = &rest[end..];
    }
    (!text.is_empty()).then_some(seconds)
}

/// `2026-01-31T23:59:59.5Z`, also with an offset such as `+01:00`.
fn rfc3339(text: &str) -> Option<SystemTime> {
    if let Ok(time) = humantime::parse_rfc3339_weak(text) {
        return Some(time);
    }
    let (local, offset) = text.split_at_checked(text.len().checked_sub(6)?)?;
    let time = humantime::parse_rfc3339(&format!("{local}Z")).ok()?;
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    let minutes = hours.parse::<u64>().ok()? * 60 + minutes.parse::<u64>().ok()?;
    let offset_of_zone = Duration::from_secs(60 * minutes);
    match offset.as_bytes()[0] {
        b'+' => time.checked_sub(offset_of_zone),
        b'-' => time.checked_add(offset_of_zone),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use hyper::header::HeaderName;

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    fn seconds(wait: Option<Wait>) -> Option<f64> {
        wait.map(|wait| {
            assert!(wait.lasts <= WAIT_MAX);
            // Negative stands for what was clamped.
            wait.lasts.as_secs_f64() * if wait.is_clamped { -1.0 } else { 1.0 }
        })
    }

    #[test]
    fn a_wait_is_read_however_it_is_written() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        let check = |text: &str, expected: Option<f64>| {
            let wait = asked(&headers(&[("retry-after", text)]), now);
            assert_eq!(seconds(wait), expected, "{text}");
        };
        check("2", Some(2.0));
        check(" 2 ", Some(2.0));
        check("0", Some(0.0));
        check("1.5", Some(1.5));
        check("4, 4", Some(4.0));
        check("1,7.5, soon", Some(7.5));
        check("3600", Some(3600.0));
        check("99999", Some(-3600.0));
        check("99999999999999999999", Some(-3600.0));
        check(&"9".repeat(400), Some(-3600.0));
        check("30s", Some(30.0));
        check("Sun, 06 Nov 1994 08:49:40 GMT", Some(3.0));
        check("Sun, 06 Nov 1994 08:49:30 GMT", Some(0.0));
        check("Sat, 06 Nov 2094 08:49:30 GMT", Some(-3600.0));
        check("1994-11-06T08:49:40Z", Some(3.0));
        for nonsense in ["soon", "-1", "", "inf", "NaN", "1e3", "1.2.3", "+5", "5x"] {
            check(nonsense, None);
        }
        assert_eq!(asked(&HeaderMap::new(), now), None);
    }

    #[test]
    fn a_date_is_measured_by_the_clock_of_the_service() {
        let answer = headers(&[
            ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
            ("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT"),
        ]);
        assert_eq!(seconds(asked(&answer, SystemTime::now())), Some(30.0));
    }

    #[test]
    fn the_most_exact_and_the_longest_count() {
        let now = SystemTime::now();
        let exact = headers(&[("retry-after-ms", "250"), ("retry-after", "1")]);
        assert_eq!(seconds(asked(&exact, now)), Some(0.25));
        let twice = headers(&[("retry-after", "1"), ("retry-after", "3")]);
        assert_eq!(seconds(asked(&twice, now)), Some(3.0));
    }

    #[test]
    fn a_quota_says_when_it_is_full_again() {
        let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let check = |lines: &[(&str, &str)], expected: Option<f64>| {
            assert_eq!(
                seconds(quota_reset(&headers(lines), now)),
                expected,
                "{lines:?}"
            );
        };
        check(&[("x-ratelimit-reset-requests", "12ms")], Some(0.012));
        check(&[("x-ratelimit-reset-tokens", "1m30s")], Some(90.0));
        check(&[("x-ratelimit-reset-tokens", "7.66s")], Some(7.66));
        check(&[("x-ratelimit-reset", "1700000060")], Some(60.0));
        check(&[("x-rate-limit-reset", "1700000060000")], Some(60.0));
        check(&[("ratelimit-reset", "5")], Some(5.0));
        let anthropic = "anthropic-ratelimit-requests-reset";
        check(&[(anthropic, "2023-11-14T22:13:50Z")], Some(30.0));
        check(&[(anthropic, "2023-11-14T23:13:50+01:00")], Some(30.0));
        check(&[(anthropic, "2023-11-14T21:13:50-01:00")], Some(30.0));
        check(&[("x-ratelimit-reset", "never")], None);
        check(&[("x-reset", "5")], None);
        // One that is not used up is no reason to wait.
        check(
            &[
                ("x-ratelimit-remaining-requests", "99"),
                ("x-ratelimit-reset-requests", "2m"),
                ("x-ratelimit-remaining-tokens", "0"),
                ("x-ratelimit-reset-tokens", "3s"),
            ],
            Some(3.0),
        );
        assert!(is_used_up(&headers(&[("x-ratelimit-remaining", "0")])));
        assert!(!is_used_up(&headers(&[("x-ratelimit-remaining", "7")])));
    }
}
