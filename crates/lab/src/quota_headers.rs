//! How an answer tells what is left of the quotas: the dialects of headers that services speak.

use std::time::{Duration, SystemTime};

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};

use crate::quota::Left;
use crate::value::Expected;

/// Which headers tell the quotas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum QuotaHeaders {
    /// As the face does by itself: `openai` for that face, none for the others.
    #[default]
    Usual,
    /// None.
    None,
    /// `x-ratelimit-remaining-requests` and its sisters; a reset is written `1m30s`.
    OpenAi,
    /// `anthropic-ratelimit-requests-remaining` and its sisters; a reset is a moment.
    Anthropic,
    /// `RateLimit` and `RateLimit-Policy`.
    Ietf,
}

impl QuotaHeaders {
    /// Reads the name of a dialect.
    pub(crate) fn parse(text: &str) -> Result<Self, Expected> {
        match text.trim() {
            "none" => Ok(Self::None),
            "openai" => Ok(Self::OpenAi),
            "anthropic" => Ok(Self::Anthropic),
            "ietf" => Ok(Self::Ietf),
            _ => Err("`openai`, `anthropic`, `ietf` or `none`".to_owned()),
        }
    }

    /// Adds the headers for what is left of the quotas of requests and of tokens.
    pub(crate) fn add(self, quotas: [Option<Left>; 2], now: SystemTime, headers: &mut HeaderMap) {
        let named = ["requests", "tokens"].into_iter().zip(quotas);
        for (unit, left) in named.filter_map(|(unit, left)| Some((unit, left?))) {
            match self {
                Self::Usual | Self::None => {}
                Self::OpenAi => {
                    put(
                        headers,
                        format!("x-ratelimit-limit-{unit}"),
                        whole(left.limit),
                    );
                    let remaining = format!("x-ratelimit-remaining-{unit}");
                    put(headers, remaining, whole(left.remaining));
                    put(
                        headers,
                        format!("x-ratelimit-reset-{unit}"),
                        short(left.reset),
                    );
                }
                Self::Anthropic => {
                    let name = |what| format!("anthropic-ratelimit-{unit}-{what}");
                    put(headers, name("limit"), whole(left.limit));
                    put(headers, name("remaining"), whole(left.remaining));
                    let reset = humantime::format_rfc3339_seconds(now + left.reset);
                    put(headers, name("reset"), reset.to_string());
                }
                Self::Ietf => {
                    let policy = format!("\"{unit}\";q={};w={}", whole(left.limit), left.unit_s);
                    put(headers, "ratelimit-policy".into(), policy);
                    let reset = left.reset.as_secs_f64().ceil();
                    let state = format!("\"{unit}\";r={};t={reset}", whole(left.remaining));
                    put(headers, "ratelimit".into(), state);
                }
            }
        }
    }
}

fn put(headers: &mut HeaderMap, name: String, value: String) {
    let name = HeaderName::try_from(name).expect("the names are ours");
    let value = HeaderValue::try_from(value).expect("numbers and times are plain text");
    headers.append(name, value);
}

/// A whole number: nobody has half a request left.
fn whole(amount: f64) -> String {
    format!("{:.0}", amount.floor())
}

/// As OpenAI writes a time: `12ms`, `1.5s`, `1m30s`.
fn short(time: Duration) -> String {
    let (minutes, seconds) = (time.as_secs() / 60, time.as_secs_f64() % 60.0);
    match time {
        _ if time < Duration::from_secs(1) => format!("{}ms", time.as_millis()),
        _ if minutes == 0 => format!("{seconds:.3}s"),
        _ => format!("{minutes}m{seconds:.0}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_dialect_tells_the_same() {
        let left = Left {
            limit: 500.0,
            unit_s: 60.0,
            remaining: 12.7,
            reset: Duration::from_secs(90),
        };
        let told = |dialect: QuotaHeaders| {
            let mut headers = HeaderMap::new();
            dialect.add([Some(left), None], SystemTime::UNIX_EPOCH, &mut headers);
            let line = |(name, value): (&HeaderName, &HeaderValue)| {
                format!("{name}: {}", value.to_str().unwrap())
            };
            headers.iter().map(line).collect::<Vec<_>>()
        };
        assert_eq!(
            told(QuotaHeaders::OpenAi),
            [
                "x-ratelimit-limit-requests: 500",
                "x-ratelimit-remaining-requests: 12",
                "x-ratelimit-reset-requests: 1m30s"
            ]
        );
        assert_eq!(
            told(QuotaHeaders::Anthropic),
            [
                "anthropic-ratelimit-requests-limit: 500",
                "anthropic-ratelimit-requests-remaining: 12",
                "anthropic-ratelimit-requests-reset: 1970-01-01T00:01:30Z"
            ]
        );
        assert_eq!(
            told(QuotaHeaders::Ietf),
            [
                "ratelimit-policy: \"requests\";q=500;w=60",
                "ratelimit: \"requests\";r=12;t=90"
            ]
        );
        assert!(told(QuotaHeaders::Usual).is_empty());
        assert!(
            QuotaHeaders::parse("google")
                .unwrap_err()
                .contains("`ietf`")
        );
    }

    #[test]
    fn times_are_short() {
        let shown = |millis| short(Duration::from_millis(millis));
        assert_eq!([12, 1500, 90_000].map(shown), ["12ms", "1.500s", "1m30s"]);
    }
}
