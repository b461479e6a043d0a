//! Where a job fetches or saves: an address, or a lab that is started in this process.
//!
//! The glue between the lab and the connectors, which know nothing of each other.

use std::borrow::Cow;
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Context;
use inflight::Declared;
use inflight_connectors::Called;
use inflight_lab::{Config, Lab, Stats};
use percent_encoding::percent_decode_str;

use crate::error::{Error, Result};
use crate::flags::job::LAB;

/// A service as typed, checked as far as that needs no connector.
#[derive(Debug)]
pub(crate) enum Target {
    /// A lab that behaves like this.
    Lab(Box<Config>),
    /// Whatever the connectors make of it.
    Address(String),
    /// Code of the program around us, which calls it so.
    Called(String, Called),
}

/// A target that is there: a lab has been started.
#[derive(Debug)]
pub(crate) struct Place {
    /// As typed; of a lab, where it listens.
    pub(crate) address: String,
    pub(crate) declared: Declared,
    /// Serves until this is dropped.
    lab: Option<Lab>,
    /// What is called instead of an address, if anything is.
    pub(crate) called: Option<Called>,
}

impl Target {
    /// Reads `lab:?latency=100ms&capacity=100`, or takes an address as it is.
    ///
    /// # Errors
    /// A sentence that names the key of the lab and what is valid.
    pub(crate) fn parse(text: &str) -> Result<Target> {
        let Some(rest) = text.strip_prefix(LAB) else {
            return Ok(Target::Address(text.to_owned()));
        };
        let query = match rest.strip_prefix('?') {
            Some(query) => query,
            None if rest.is_empty() => "",
            None => {
                return Err(Error::usage(format_args!(
                    "`{text}` should look like lab:?latency=100ms&capacity=100"
                )));
            }
        };
        let mut config = Config::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let refused = |error| Error::usage(format_args!("{LAB} {error}"));
            config
                .set(&decoded(key), &decoded(value))
                .map_err(refused)?;
        }
        Ok(Target::Lab(Box::new(config)))
    }

    /// Starts the lab, on a free port of this machine, if it is one.
    ///
    /// # Errors
    /// When the system has no port or thread to give.
    pub(crate) fn open(&self) -> Result<Place> {
        match self {
            Target::Address(address) => Ok(Place::elsewhere(address)),
            Target::Called(name, called) => Ok(Place {
                called: Some(called.clone()),
                ..Place::elsewhere(name)
            }),
            Target::Lab(config) => {
                let declared = config.declared();
                let free_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
                let lab =
                    Lab::start((**config).clone(), free_port).context("failed to start the lab")?;
                Ok(Place {
                    address: format!("http://{}", lab.address()),
                    declared: Declared {
                        // What takes no time by itself still takes some over a socket: that is measured.
                        latency: Some(declared.latency).filter(|latency| !latency.is_zero()),
                        capacity: declared.capacity,
                        goodput: declared.goodput,
                    },
                    lab: Some(lab),
                    called: None,
                })
            }
        }
    }
}

impl Place {
    /// An address of which nothing is known.
    pub(crate) fn elsewhere(address: &str) -> Place {
        Place {
            address: address.to_owned(),
            declared: Declared::default(),
            lab: None,
            called: None,
        }
    }

    /// The address to connect to; at a lab, this path.
    pub(crate) fn address_of(&self, path_in_lab: &str) -> String {
        match self.lab {
            Some(_) => format!("{}{path_in_lab}", self.address),
            None => self.address.clone(),
        }
    }

    /// Forgets what the lab has seen, if it is one.
    pub(crate) fn reset(&self) {
        if let Some(lab) = &self.lab {
            lab.reset();
        }
    }

    /// What the lab has seen since, if it is one.
    pub(crate) fn stats(&self) -> Option<Stats> {
        self.lab.as_ref().map(Lab::stats)
    }
}

/// Resolves `%20` and its like; a percent sign that is not followed by two hex digits is itself, so that `fail=5%` is
/// what it says.
fn decoded(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lab(text: &str) -> Result<Config> {
        match Target::parse(text)? {
            Target::Lab(config) => Ok(*config),
            Target::Address(address) | Target::Called(address, _) => Err(Error::usage(address)),
        }
    }

    #[test]
    fn a_lab_is_its_flags() {
        let mut expected = Config::default();
        for (key, value) in [
            ("latency", "100ms"),
            ("rate", "100/s,burst 50"),
            ("fail", "5%"),
            ("idempotent", ""),
        ] {
            expected.set(key, value).unwrap();
        }
        let lab = |text| lab(text).unwrap();
        assert_eq!(
            lab("lab:?latency=100ms&rate=100/s,burst%2050&fail=5%&idempotent"),
            expected
        );
        assert_eq!(lab("lab:"), Config::default());
    }

    #[test]
    fn a_mistake_in_a_lab_is_named() {
        let check = |text, part| {
            let error = lab(text).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        };
        check("lab:?capcity=1", "`capacity`");
        check("lab:?latency=soon", "`latency`");
        check("lab:latency=1s", "should look like");
    }
}
