//! `compare --sweep KEY=V1,V2,…`: the option whose values are tried.
//!
//! Pure. A value replaces what was typed for that option, so that it is read and checked as if it had been typed.

use std::fmt;

use crate::error::{Error, Result};
use crate::flags::compare::CompareArgs;
use crate::flags::job::LAB;
use crate::flags::value;

/// Values of one sweep at most: each is a whole comparison.
const VALUES_MAX: usize = 100;

/// Options of the command itself that can be swept; besides them, the cost of the computation and the keys of a lab.
const OPTIONS: [&str; 8] = [
    "in-flight",
    "batch",
    "bulk",
    "jobs",
    "rate",
    "retries",
    "timeout",
    "yield-every",
];

/// An option and the values to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sweep {
    key: String,
    values: Vec<String>,
}

impl fmt::Display for Sweep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.key, self.values.join(","))
    }
}

impl Sweep {
    /// Reads `KEY=V1,V2,…`.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub(crate) fn parse(text: &str) -> Result<Sweep> {
        let expected = || Error::usage("expected KEY=V1,V2,… such as in-flight=10,100,1000");
        let (key, values) = text.split_once('=').ok_or_else(expected)?;
        let values: Vec<String> = values.split(',').map(|v| v.trim().to_owned()).collect();
        if key.is_empty() || values.iter().any(String::is_empty) {
            return Err(expected());
        }
        if values.len() > VALUES_MAX {
            let count = values.len();
            return Err(Error::usage(format_args!(
                "at most {VALUES_MAX} values, not {count}"
            )));
        }
        Ok(Sweep {
            key: key.to_owned(),
            values,
        })
    }

    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &str> {
        self.values.iter().map(String::as_str)
    }

    /// The command with this value instead.
    ///
    /// # Errors
    /// A usage error: an option that cannot be swept, a value that it cannot have.
    pub(crate) fn with(&self, value: &str, args: &CompareArgs) -> Result<CompareArgs> {
        let mut args = args.clone();
        let refused =
            |why: Error| Error::usage(format_args!("--sweep {}={value}: {why}", self.key));
        self.set(value, &mut args).map_err(refused)?;
        Ok(args)
    }

    fn set(&self, value: &str, args: &mut CompareArgs) -> Result<()> {
        let whole = || {
            value
                .parse()
                .map_err(|_| Error::usage("expected a whole number"))
        };
        let pace = &mut args.pace;
        match self.key.as_str() {
            "in-flight" => pace.in_flight = Some(value::count_or_auto(value)?),
            "batch" => args.driving.batch = whole()?,
            "bulk" => pace.bulk = value::count_or_auto(value)?,
            "jobs" => pace.jobs = value::count_or_auto(value)?,
            "rate" => pace.rate = Some(value::rate(value)?),
            "retries" => {
                pace.retries = value
                    .parse()
                    .map_err(|_| Error::usage("expected a whole number up to 65535"))?;
            }
            "timeout" => pace.timeout = value::duration(value)?,
            "yield-every" => args.driving.yield_every = value::duration_or_never(value)?,
            "cost" => args.compute = with_cost(&args.compute, value)?,
            key => args.save = with_lab_key(&args.save, key, value)?,
        }
        Ok(())
    }
}

/// The computation with another argument.
fn with_cost(compute: &str, value: &str) -> Result<String> {
    match compute.split(':').next().unwrap_or_default() {
        name @ ("bcrypt" | "sha256" | "sleep" | "spin") => Ok(format!("{name}:{value}")),
        _ => Err(Error::usage(format_args!(
            "{compute} has no cost; try bcrypt, sha256, sleep or spin"
        ))),
    }
}

/// The lab with another value of this key.
fn with_lab_key(save: &str, key: &str, value: &str) -> Result<String> {
    let Some(query) = save.strip_prefix(LAB) else {
        let options = OPTIONS.join(", ");
        return Err(Error::usage(format_args!(
            "no such option; known are {options}, cost, and where --save is {LAB} its keys"
        )));
    };
    let query = query.strip_prefix('?').unwrap_or(query);
    let others = query
        .split('&')
        .filter(|pair| !pair.is_empty() && pair.split('=').next() != Some(key));
    let pair = format!("{key}={value}");
    let pairs: Vec<&str> = others.chain([pair.as_str()]).collect();
    Ok(format!("{LAB}?{}", pairs.join("&")))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::flags::args::{Cli, Command};
    use crate::flags::value::OrAuto;

    fn args(line: &str) -> CompareArgs {
        let words = ["inflight", "compare"].into_iter().chain(line.split(' '));
        match Cli::try_parse_from(words).unwrap().command {
            Command::Compare(args) => *args,
            other => panic!("{other:?}"),
        }
    }

    fn with(line: &str) -> Result<CompareArgs> {
        let args = args(line);
        let sweep = args.sweep.clone().unwrap();
        sweep.with(sweep.values().next().unwrap(), &args)
    }

    #[test]
    fn a_value_stands_where_it_would_have_been_typed() {
        assert_eq!(
            with("--sweep in-flight=7,8").unwrap().pace.in_flight,
            Some(OrAuto::Count(7))
        );
        assert_eq!(with("--sweep batch=5").unwrap().driving.batch, 5);
        assert_eq!(with("--sweep jobs=3").unwrap().pace.jobs, OrAuto::Count(3));
        assert_eq!(with("--sweep cost=10").unwrap().compute, "bcrypt:10");
        assert_eq!(
            with("--sweep cost=5ms --compute spin:1ms").unwrap().compute,
            "spin:5ms"
        );
        assert_eq!(
            with("--sweep capacity=30").unwrap().save,
            "lab:?latency=100ms&capacity=30"
        );
        assert_eq!(with("--sweep latency=1s").unwrap().save, "lab:?latency=1s");
    }

    #[test]
    fn what_cannot_be_swept_is_named() {
        let check = |line: &str, part: &str| {
            let error = with(line).unwrap_err();
            assert!(
                matches!(error, Error::Usage(_)) && error.to_string().contains(part),
                "{error}"
            );
        };
        check(
            "--sweep in-flight=many",
            "--sweep in-flight=many: expected a whole number",
        );
        check(
            "--sweep capacity=1 --save null:",
            "no such option; known are in-flight",
        );
        check("--sweep cost=1 --compute none", "none has no cost");
        for wrong in ["in-flight", "=1", "batch=", "batch=1,,2"] {
            assert!(Sweep::parse(wrong).is_err(), "{wrong}");
        }
    }
}
