//! Reads the values of flags that carry a unit or a word besides a number.
//!
//! Bounds are not checked here: the engine's options know theirs, and say so in one place.

use std::fmt;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use humantime::format_duration;
use inflight::{Halt, Quota, Strategy};

use crate::error::{Error, Result};

/// A number, or whatever suits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OrAuto {
    Auto,
    Count(usize),
}

/// A duration, or never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OrNever {
    Every(Duration),
    Never,
}

impl fmt::Display for OrAuto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OrAuto::Auto => f.write_str("auto"),
            OrAuto::Count(count) => count.fmt(f),
        }
    }
}

impl fmt::Display for OrNever {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OrNever::Every(time) => format_duration(*time).fmt(f),
            OrNever::Never => f.write_str("never"),
        }
    }
}

pub(crate) fn count_or_auto(text: &str) -> Result<OrAuto> {
    if text == "auto" {
        return Ok(OrAuto::Auto);
    }
    let count = text
        .parse()
        .map_err(|_| Error::usage("expected a whole number or auto"))?;
    Ok(OrAuto::Count(count))
}

pub(crate) fn duration(text: &str) -> Result<Duration> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    humantime::parse_duration(text)
        .map_err(|_| Error::usage("expected a duration such as 100ms, 30s or 5m"))
}

pub(crate) fn duration_or_never(text: &str) -> Result<OrNever> {
    match text {
        "never" => Ok(OrNever::Never),
        _ => duration(text)
            .map(OrNever::Every)
            .map_err(|expected| Error::usage(format_args!("{expected}, or never"))),
    }
}

/// At how many dead letters a run stops: at so many, or never.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum OrNoHalt {
    At(Halt),
    Never,
}

impl OrNoHalt {
    /// As the engine takes it.
    pub(crate) fn bound(self) -> Option<Halt> {
        match self {
            OrNoHalt::At(halt) => Some(halt),
            OrNoHalt::Never => None,
        }
    }
}

impl fmt::Display for OrNoHalt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OrNoHalt::At(Halt::Count(count)) => write!(f, "{count}"),
            OrNoHalt::At(Halt::Share(share)) => write!(f, "fail={}%", share * 100.0),
            OrNoHalt::At(Halt::Most) => f.write_str("most"),
            OrNoHalt::Never => f.write_str("never"),
        }
    }
}

/// `most` of the last items, `never`, so many dead letters, `10`, or more than a share of the items, `fail=3%`.
pub(crate) fn or_no_halt(text: &str) -> Result<OrNoHalt> {
    match text {
        "never" => Ok(OrNoHalt::Never),
        "most" => Ok(OrNoHalt::At(Halt::Most)),
        _ => halt(text).map(OrNoHalt::At),
    }
}

fn halt(text: &str) -> Result<Halt> {
    let expected = || {
        Error::usage(
            "expected a number of items, such as 10, a share, such as fail=3%, most or never",
        )
    };
    let Some(share) = text.strip_prefix("fail=") else {
        return text.parse().map(Halt::Count).map_err(|_| expected());
    };
    match share.strip_suffix('%') {
        Some(percent) => percent
            .parse()
            .map(|percent: f64| Halt::Share(percent / 100.0)),
        None => return share.parse().map(Halt::Count).map_err(|_| expected()),
    }
    .map_err(|_| expected())
}

/// A number of bytes, from `500KiB`, `16MiB`, `1GiB` or the bare number.
pub(crate) fn bytes(text: &str) -> Result<usize> {
    let expected = || Error::usage("expected a size such as 500KiB, 16MiB or 1GiB");
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => return Err(expected()),
    };
    let number: usize = number.parse().map_err(|_| expected())?;
    match number.checked_mul(unit) {
        None | Some(0) => Err(Error::usage(
            "must be more than 0, and less than memory has",
        )),
        Some(bytes) => Ok(bytes),
    }
}

/// What [`bytes`] reads, written again.
pub(crate) fn shown_bytes(bytes: usize) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let unit = units
        .into_iter()
        .find(|(unit, _)| bytes.is_multiple_of(*unit));
    unit.map_or(bytes.to_string(), |(unit, name)| {
        format!("{}{name}", bytes / unit)
    })
}

/// Requests a second, from `50/s`, `3000/m` (or `/min`) or `100000/h`.
pub(crate) fn rate(text: &str) -> Result<f64> {
    let expected =
        || Error::usage("expected a number with its unit, such as 50/s, 3000/min or 100000/h");
    let (number, unit) = text.split_once('/').ok_or_else(expected)?;
    let seconds = match unit.trim() {
        "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(expected()),
    };
    let number: f64 = number.trim().parse().map_err(|_| expected())?;
    if number > 0.0 && number.is_finite() {
        Ok(number / seconds)
    } else {
        Err(Error::usage("must be more than 0"))
    }
}

/// Reads a strategy by its name; clap names the nearest one when it is none.
pub(crate) fn strategies() -> impl TypedValueParser<Value = Strategy> {
    PossibleValuesParser::new(Strategy::ALL.map(Strategy::name)).map(|name| {
        let found = Strategy::ALL.into_iter().find(|s| s.name() == name);
        found.expect("only names of strategies are possible values")
    })
}

/// A quota of one unit: so many a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum QuotaOf {
    Requests(f64),
    Tokens(f64),
}

impl fmt::Display for QuotaOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            QuotaOf::Requests(rate) => write!(f, "{rate} requests/s"),
            QuotaOf::Tokens(rate) => write!(f, "{rate} tokens/s"),
        }
    }
}

/// A quota, from `500 requests/min`, `200000 tokens/min` or `50/s`, which are requests.
pub(crate) fn quota(text: &str) -> Result<QuotaOf> {
    let expected = || {
        Error::usage(
            "expected a number, a unit and a time, such as '500 requests/min' or '200000 tokens/min'",
        )
    };
    let (amount, time) = text.split_once('/').ok_or_else(expected)?;
    let (number, unit) = amount
        .trim()
        .split_once(' ')
        .unwrap_or((amount, "requests"));
    let per_second = rate(&format!("{number}/{time}")).map_err(|_| expected())?;
    match unit.trim() {
        "request" | "requests" => Ok(QuotaOf::Requests(per_second)),
        "token" | "tokens" => Ok(QuotaOf::Tokens(per_second)),
        _ => Err(expected()),
    }
}

/// These quotas as one: of two of a unit the tighter holds.
pub(crate) fn together(quotas: impl IntoIterator<Item = QuotaOf>) -> Quota {
    let tighter = |one: Option<f64>, other| Some(one.map_or(other, |one| one.min(other)));
    let mut whole = Quota::default();
    for quota in quotas {
        match quota {
            QuotaOf::Requests(rate) => whole.requests = tighter(whole.requests, rate),
            QuotaOf::Tokens(rate) => whole.units = tighter(whole.units, rate),
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_a_unit() {
        assert_eq!(bytes("16MiB").unwrap(), 16 << 20);
        assert_eq!(bytes("2 kib").unwrap(), 2048);
        assert_eq!(bytes("7").unwrap(), 7);
        for text in ["16MiB", "3KiB", "7"] {
            assert_eq!(shown_bytes(bytes(text).unwrap()), text);
        }
        for wrong in ["", "MiB", "1.5MiB", "16MB", "0", "99999999999999GiB", "-1"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_rate_has_a_unit() {
        assert_eq!(rate("50/s").unwrap(), 50.0);
        assert_eq!(rate("30 / min").unwrap(), 0.5);
        for wrong in ["50", "50/d", "fast/s", "0/s", "-1/s", "inf/s", "NaN/s"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_quota_has_a_unit_and_a_time() {
        assert_eq!(quota("120 requests/min").unwrap(), QuotaOf::Requests(2.0));
        assert_eq!(quota("7200 tokens / h").unwrap(), QuotaOf::Tokens(2.0));
        assert_eq!(quota("50/s").unwrap(), QuotaOf::Requests(50.0));
        assert_eq!(
            quota(&QuotaOf::Tokens(0.5).to_string()).unwrap(),
            QuotaOf::Tokens(0.5)
        );
        for wrong in [
            "50",
            "50 tokens",
            "5 apples/s",
            "many tokens/s",
            "0 tokens/s",
        ] {
            assert!(
                quota(wrong)
                    .unwrap_err()
                    .to_string()
                    .contains("200000 tokens/min"),
                "{wrong}"
            );
        }
        let both = ["10/s", "20 requests/s", "5 tokens/s"].map(|text| quota(text).unwrap());
        let expected = Quota {
            requests: Some(10.0),
            units: Some(5.0),
        };
        assert_eq!(together(both), expected);
    }

    #[test]
    fn a_halt_is_a_number_or_a_share() {
        assert_eq!(halt("10").unwrap(), Halt::Count(10));
        assert_eq!(halt("fail=10").unwrap(), Halt::Count(10));
        assert_eq!(halt("fail=3%").unwrap(), Halt::Share(0.03));
        for text in ["never", "most", "10", "fail=3%"] {
            assert_eq!(or_no_halt(text).unwrap().to_string(), text);
        }
        for wrong in ["3%", "fail=", "some", "-1"] {
            assert!(halt(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn words_stand_beside_numbers() {
        assert_eq!(count_or_auto("auto").unwrap(), OrAuto::Auto);
        assert_eq!(count_or_auto("0").unwrap(), OrAuto::Count(0));
        assert!(count_or_auto("-1").is_err());
        assert_eq!(duration_or_never("never").unwrap(), OrNever::Never);
        assert_eq!(
            duration_or_never("0").unwrap(),
            OrNever::Every(Duration::ZERO)
        );
    }
}
