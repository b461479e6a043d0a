//! What a service says is left of its quotas: pure, of the headers of one answer.
//!
//! Three dialects: `x-ratelimit-remaining-requests` with sisters for `limit` and `reset`, in any order of the words and with or
//! without a unit; the same named after a vendor; and `RateLimit` with `RateLimit-Policy` (draft of the IETF), in its older and its
//! newer form. What has no reset says nothing that could be kept to.

use std::time::{Duration, SystemTime};

use hyper::header::{HeaderMap, HeaderName};
use inflight::{Allowance, Usage};

use super::wait;

/// How much later all may be back than a moment says that is given in whole seconds, by a clock that shows whole seconds.
const ROUNDED: Duration = Duration::from_secs(1);

/// What the headers say of requests and of tokens; `now` is asked where they say anything.
pub(super) fn told(headers: &HeaderMap, now: impl Fn() -> SystemTime) -> Usage {
    let mut usage = Usage::default();
    if !headers.keys().any(|name| wait::is_of_quota(name.as_str())) {
        return usage;
    }
    let now = now();
    let mut add = |name: &str, allowance: Allowance| {
        let place = match name.contains("token") {
            true => &mut usage.units,
            false => &mut usage.requests,
        };
        // Of several for one unit, such as a minute's and a day's, the one that ends first.
        if place.is_none_or(|other| allowance.remaining < other.remaining) {
            *place = Some(allowance);
        }
    };
    for (name, value) in headers {
        let name = name.as_str();
        if !wait::is_of_quota(name) {
            continue;
        }
        let Ok(text) = value.to_str() else {
            continue;
        };
        if name.contains("remaining") {
            let sister = |what: &str| text_of(headers, &name.replace("remaining", what));
            let allowance =
                number(text).zip(sister("reset").and_then(|text| resets_in(headers, text, now)));
            if let Some((remaining, resets_in)) = allowance {
                let limit = sister("limit").and_then(number);
                add(
                    name,
                    Allowance {
                        remaining,
                        limit,
                        resets_in,
                    },
                );
            }
        } else if name == "ratelimit" {
            for (name, allowance) in drafted(
                text,
                text_of(headers, "ratelimit-policy").unwrap_or_default(),
            ) {
                add(name, allowance);
            }
        }
    }
    usage
}

fn text_of<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let name: HeaderName = name.parse().ok()?;
    headers.get(name)?.to_str().ok()
}

/// A number that may be followed by its window, as in `100, 100;w=60`.
fn number(text: &str) -> Option<f64> {
    let first = text.split([',', ';']).next()?.trim();
    first
        .parse()
        .ok()
        .filter(|number: &f64| *number >= 0.0 && number.is_finite())
}

fn resets_in(headers: &HeaderMap, text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    let lasts = wait::resets_in(headers, text, now)?;
    // A duration says what it means; a moment is rounded, and so is the clock that it is measured by.
    let is_moment =
        text.contains(':') || number(text).is_some_and(|number| number > wait::EPOCH_MIN_S);
    Some(if is_moment { lasts + ROUNDED } else { lasts })
}

/// The quotas of `RateLimit`: `"requests";r=50;t=30, "tokens";r=900;t=30`, or `limit=100, remaining=50, reset=30`.
fn drafted<'a>(text: &'a str, policies: &'a str) -> Vec<(&'a str, Allowance)> {
    if text.contains("remaining=") {
        let value = |name| parameter(text.split(','), name);
        let seconds = value("reset").and_then(seconds);
        let allowance = value("remaining")
            .zip(seconds)
            .map(|(remaining, resets_in)| Allowance {
                remaining,
                limit: value("limit"),
                resets_in,
            });
        return allowance
            .map(|allowance| ("", allowance))
            .into_iter()
            .collect();
    }
    let quotas = text.split(',').filter_map(|quota| {
        let name = quota.split(';').next()?.trim();
        let value = |key| parameter(quota.split(';').skip(1), key);
        let policy = policies
            .split(',')
            .find(|policy| policy.split(';').next().map(str::trim) == Some(name));
        let of_policy = |key| policy.and_then(|policy| parameter(policy.split(';').skip(1), key));
        let allowance = Allowance {
            remaining: value("r")?,
            limit: of_policy("q"),
            resets_in: seconds(value("t").or_else(|| of_policy("w"))?)?,
        };
        Some((name, allowance))
    });
    quotas.collect()
}

/// The number of `name=NUMBER` in one of these parts.
fn parameter<'a>(mut parts: impl Iterator<Item = &'a str>, name: &str) -> Option<f64> {
    parts.find_map(|part| {
        let (key, value) = part.split_once('=')?;
        (key.trim() == name).then(|| number(value)).flatten()
    })
}

fn seconds(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(lines: &[(&str, &str)]) -> Usage {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, value.parse().unwrap());
        }
        told(&headers, || {
            SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
        })
    }

    fn left(remaining: f64, limit: Option<f64>, seconds: f64) -> Option<Allowance> {
        Some(Allowance {
            remaining,
            limit,
            resets_in: Duration::from_secs_f64(seconds),
        })
    }

    #[test]
    fn each_dialect_says_the_same() {
        let both = usage(&[
            ("x-ratelimit-limit-requests", "500"),
            ("x-ratelimit-remaining-requests", "499"),
            ("x-ratelimit-reset-requests", "120ms"),
            ("x-ratelimit-limit-tokens", "200000"),
            ("x-ratelimit-remaining-tokens", "150000"),
            ("x-ratelimit-reset-tokens", "1m15s"),
        ]);
        assert_eq!(both.requests, left(499.0, Some(500.0), 0.12));
        assert_eq!(both.units, left(150_000.0, Some(200_000.0), 75.0));
        let vendor = usage(&[
            ("date", "Fri, 15 Jan 2027 08:00:00 GMT"),
            ("anthropic-ratelimit-requests-limit", "50"),
            ("anthropic-ratelimit-requests-remaining", "0"),
            ("anthropic-ratelimit-requests-reset", "2027-01-15T08:00:30Z"),
            ("anthropic-ratelimit-input-tokens-remaining", "900"),
            (
                "anthropic-ratelimit-input-tokens-reset",
                "2027-01-15T08:00:09Z",
            ),
            ("anthropic-ratelimit-output-tokens-remaining", "100"),
            (
                "anthropic-ratelimit-output-tokens-reset",
                "2027-01-15T08:00:09Z",
            ),
        ]);
        assert_eq!(vendor.requests, left(0.0, Some(50.0), 31.0));
        assert_eq!(vendor.units, left(100.0, None, 10.0), "the tighter of two");
        let draft = usage(&[
            (
                "RateLimit-Policy",
                "\"requests\";q=100;w=60, \"tokens\";q=9000;w=60",
            ),
            ("RateLimit", "\"requests\";r=50;t=30, \"tokens\";r=800;t=12"),
        ]);
        assert_eq!(draft.requests, left(50.0, Some(100.0), 30.0));
        assert_eq!(draft.units, left(800.0, Some(9000.0), 12.0));
        let older = usage(&[("ratelimit", "limit=100, remaining=50, reset=5")]);
        assert_eq!(older.requests, left(50.0, Some(100.0), 5.0));
        let apart = usage(&[
            ("ratelimit-limit", "100, 100;w=60"),
            ("ratelimit-remaining", "7"),
            ("ratelimit-reset", "50"),
        ]);
        assert_eq!(apart.requests, left(7.0, Some(100.0), 50.0));
        let epoch = usage(&[
            ("X-RateLimit-Limit", "5000"),
            ("X-RateLimit-Remaining", "4999"),
            ("X-RateLimit-Reset", "1800000600"),
        ]);
        assert_eq!(epoch.requests, left(4999.0, Some(5000.0), 601.0));
    }

    #[test]
    fn what_cannot_be_kept_to_says_nothing() {
        for lines in [
            &[("content-type", "text/plain")][..],
            &[("x-ratelimit-remaining", "7")],
            &[
                ("x-ratelimit-remaining", "many"),
                ("x-ratelimit-reset", "5"),
            ],
            &[("x-ratelimit-remaining", "-1"), ("x-ratelimit-reset", "5")],
            &[
                ("x-ratelimit-remaining", "7"),
                ("x-ratelimit-reset", "soon"),
            ],
            &[("ratelimit", "\"requests\";r=;t=")],
            &[("ratelimit", ";;;=,=")],
        ] {
            assert_eq!(usage(lines), Usage::default(), "{lines:?}");
        }
    }
}
