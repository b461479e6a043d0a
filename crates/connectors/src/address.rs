//! Where results are saved, taken apart once: which kind of place it is, where it lies, and what such a place can do.
//!
//! Whoever wants to know whether a flag means anything to a sink, or whether it is a file of this machine, asks here and reads
//! no text. A kind that does not say everything about itself does not compile.

use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::nearest::unknown;

/// A kind of place for results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `http://…`, `https://…`: a request for each result.
    #[cfg(feature = "http")]
    Http,
    /// `sqlite:FILE?table=T`.
    #[cfg(feature = "sqlite")]
    Sqlite,
    /// `postgres://…?table=T`.
    #[cfg(feature = "postgres")]
    Postgres,
    /// `file:OUT.jsonl`.
    #[cfg(feature = "file")]
    File,
    /// `null:`.
    Null,
    /// A scheme that the caller serves itself, over HTTP on this machine.
    Served,
    /// No address at all: code of the program around us.
    Called,
}

/// What a kind of place does, and which settings mean something to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// Each result is a request over HTTP, with headers, a body and an answer.
    pub is_http: bool,
    /// One request or transaction may hold several results.
    pub takes_bulks: bool,
    /// What is saved has an order that can be seen: lines.
    pub keeps_order: bool,
    /// A result that is saved once more takes the place of the first.
    pub replaces_by_key: bool,
    /// Keeps account of what is saved, in the same transactions.
    pub keeps_account: bool,
    /// Can be told to make a table that is missing.
    pub makes_tables: bool,
    /// Can be told to add to what is there already.
    pub appends: bool,
    /// Nobody minds to get everything several times.
    pub may_be_repeated: bool,
    /// A file of this machine: the same words mean another one in another folder, and a copy can be made of it.
    pub is_local: bool,
    /// Keeps nothing, and so takes no time.
    pub is_nothing: bool,
}

impl Scheme {
    /// What such a place can do.
    pub const fn abilities(self) -> Abilities {
        match self {
            #[cfg(feature = "http")]
            Scheme::Http => Abilities {
                is_http: true,
                takes_bulks: false,
                keeps_order: false,
                replaces_by_key: false,
                keeps_account: false,
                makes_tables: false,
                appends: false,
                may_be_repeated: false,
                is_local: false,
                is_nothing: false,
            },
            #[cfg(feature = "sqlite")]
            Scheme::Sqlite => Abilities {
                is_http: false,
                takes_bulks: true,
                keeps_order: false,
                replaces_by_key: true,
                keeps_account: true,
                makes_tables: false,
                appends: false,
                may_be_repeated: false,
                is_local: true,
                is_nothing: false,
            },
            #[cfg(feature = "postgres")]
            Scheme::Postgres => Abilities {
                is_http: false,
                takes_bulks: true,
                keeps_order: false,
                replaces_by_key: true,
                keeps_account: true,
                makes_tables: true,
                appends: false,
                may_be_repeated: false,
                is_local: false,
                is_nothing: false,
            },
            #[cfg(feature = "file")]
            Scheme::File => Abilities {
                is_http: false,
                takes_bulks: true,
                keeps_order: true,
                replaces_by_key: false,
                keeps_account: false,
                makes_tables: false,
                appends: true,
                may_be_repeated: false,
                is_local: true,
                is_nothing: false,
            },
            Scheme::Null => Abilities {
                is_http: false,
                takes_bulks: true,
                keeps_order: false,
                replaces_by_key: false,
                keeps_account: false,
                makes_tables: false,
                appends: false,
                may_be_repeated: true,
                is_local: false,
                is_nothing: true,
            },
            Scheme::Served => Abilities {
                is_http: true,
                takes_bulks: false,
                keeps_order: false,
                replaces_by_key: false,
                keeps_account: false,
                makes_tables: false,
                appends: false,
                may_be_repeated: true,
                is_local: false,
                is_nothing: false,
            },
            Scheme::Called => Abilities {
                is_http: false,
                takes_bulks: false,
                keeps_order: true,
                replaces_by_key: false,
                keeps_account: false,
                makes_tables: false,
                appends: false,
                may_be_repeated: false,
                is_local: false,
                is_nothing: false,
            },
        }
    }

    /// Every prefix that means a kind of place.
    const ALL: &[(&str, Scheme)] = &[
        #[cfg(feature = "http")]
        ("http:", Scheme::Http),
        #[cfg(feature = "http")]
        ("https:", Scheme::Http),
        #[cfg(feature = "sqlite")]
        ("sqlite:", Scheme::Sqlite),
        #[cfg(feature = "postgres")]
        ("postgres:", Scheme::Postgres),
        #[cfg(feature = "postgres")]
        ("postgresql:", Scheme::Postgres),
        #[cfg(feature = "file")]
        ("file:", Scheme::File),
        ("null:", Scheme::Null),
    ];
}

/// An address of a sink, `SCHEME:…`, with a method before it where it is one of HTTP. Its text may hold secrets.
///
/// ```
/// # #[cfg(feature = "file")] {
/// use inflight_connectors::{Address, Scheme};
///
/// let address = Address::parse("file:out.jsonl", &[])?;
/// assert_eq!(address.scheme(), Scheme::File);
/// assert!(address.abilities().keeps_order && address.abilities().is_local);
/// # }
/// # Ok::<(), inflight_connectors::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    text: String,
    prefix: &'static str,
    scheme: Scheme,
}

impl Address {
    /// Reads an address; `served` are the prefixes, such as `lab:`, that the caller serves itself. Nothing is opened, and what
    /// follows the prefix is read by the sink.
    ///
    /// # Errors
    /// A sentence that names the nearest known prefix where there is none of this name, or a method where none can stand.
    pub fn parse(text: &str, served: &[&'static str]) -> Result<Address, Error> {
        let (method, place) = split_method(text);
        let own = Scheme::ALL.iter().copied();
        let served = served.iter().map(|prefix| (*prefix, Scheme::Served));
        let mut known = own.chain(served);
        let found = known.clone().find(|(prefix, _)| place.starts_with(prefix));
        let Some((prefix, scheme)) = found else {
            let name = match place.split_once(':') {
                Some((scheme, _)) => format!("{scheme}:"),
                None => place.to_owned(),
            };
            if let Some(meant) = meant(place) {
                return Err(format!("`{place}` has no scheme; did you mean `{meant}`?").into());
            }
            let known: Vec<&str> = known.by_ref().map(|(prefix, _)| prefix).collect();
            return Err(unknown("scheme", &name, &known).into());
        };
        match (method, scheme) {
            (Some(method), scheme) if !scheme.abilities().is_http => {
                Err(format!("{prefix} takes no method; leave out {method}").into())
            }
            (None, Scheme::Null) if place != prefix => {
                Err(format!("address `{text}`: null: takes nothing after it").into())
            }
            _ => Ok(Address {
                text: text.to_owned(),
                prefix,
                scheme,
            }),
        }
    }

    /// Which kind of place it is.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// What that kind can do.
    pub fn abilities(&self) -> Abilities {
        self.scheme.abilities()
    }

    /// The address as typed, secrets included.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The file that it names; `None` where it names none.
    pub fn path(&self) -> Option<PathBuf> {
        self.abilities().is_local.then(|| self.parts().0.into())
    }

    /// The same address with another file. Any other stays as it is.
    #[must_use]
    pub fn with_path(&self, path: &Path) -> Address {
        let mut address = self.clone();
        if self.abilities().is_local {
            let query = self.parts().1;
            let query = query.map_or_else(String::new, |query| format!("?{query}"));
            address.text = format!("{}{}{query}", self.prefix, path.display());
        }
        address
    }

    /// What leads to the file, and what says the table in it. The name of a file may hold question marks, that of a table none.
    fn parts(&self) -> (&str, Option<&str>) {
        let place = self.text.strip_prefix(self.prefix).unwrap_or(&self.text);
        match self.scheme {
            #[cfg(feature = "sqlite")]
            Scheme::Sqlite => match place.rsplit_once('?') {
                Some((file, query)) => (file, Some(query)),
                None => (place, Some(TABLE)),
            },
            _ => (place, None),
        }
    }
}

/// What stands for the table of a database where none is named.
#[cfg(feature = "sqlite")]
const TABLE: &str = "table=results";

/// The method before an address, if there is one: capital letters and a space.
fn split_method(text: &str) -> (Option<&str>, &str) {
    let text = text.trim();
    match text.split_once(char::is_whitespace) {
        Some((method, place)) if !method.is_empty() && !method.contains(':') => {
            (Some(method), place.trim_start())
        }
        _ => (None, text),
    }
}

/// The address that was meant by one without a scheme, as far as that can be told from its looks.
fn meant(place: &str) -> Option<String> {
    let host = place.split('/').next()?;
    let has_port = host
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    if has_port {
        return Some(format!("http://{place}"));
    }
    if place.contains(':') {
        return None;
    }
    let name = place.split('?').next()?.to_ascii_lowercase();
    let ends_in = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
    if ends_in(&[".db", ".sqlite", ".sqlite3"]) {
        return Some(format!("sqlite:{place}"));
    }
    let is_file = ends_in(&[
        ".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".txt", ".gz", ".zst",
    ]);
    is_file.then(|| format!("file:{place}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Address, Error> {
        Address::parse(text, &["lab:"])
    }

    #[test]
    fn every_prefix_is_read_once() {
        for (prefix, scheme) in Scheme::ALL {
            assert_eq!(parse(prefix).unwrap().scheme(), *scheme, "{prefix}");
        }
        assert_eq!(parse("lab:?latency=1s").unwrap().scheme(), Scheme::Served);
        let error = |text: &str| parse(text).err().unwrap().to_string();
        assert!(error("sqlit:a.db").contains("sqlite:"));
        assert!(error("out.jsonl").contains("did you mean `file:out.jsonl`?"));
        assert!(error("a.db?table=t").contains("`sqlite:a.db?table=t`"));
        assert!(error("127.0.0.1:80/add").contains("`http://127.0.0.1:80/add`"));
        assert!(error("somewhere").contains("known: "));
        assert!(error("null:x").contains("nothing after it"));
        assert!(Address::parse("lab:", &[]).is_err());
    }

    #[cfg(all(feature = "http", feature = "file"))]
    #[test]
    fn a_method_stands_before_http_alone() {
        assert_eq!(parse("PUT http://h/{id}").unwrap().scheme(), Scheme::Http);
        assert_eq!(parse("PUT lab:").unwrap().scheme(), Scheme::Served);
        let error = parse("PUT file:a.jsonl").err().unwrap().to_string();
        assert_eq!(error, "file: takes no method; leave out PUT");
        assert_eq!(
            parse("file:my notes: a.jsonl").unwrap().scheme(),
            Scheme::File
        );
    }

    #[cfg(all(feature = "sqlite", feature = "file"))]
    #[test]
    fn a_local_address_can_name_another_file() {
        let moved = |text: &str| {
            let moved = parse(text).unwrap().with_path(Path::new("b/c"));
            moved.text().to_owned()
        };
        assert_eq!(moved("file:a?b.jsonl"), "file:b/c");
        assert_eq!(moved("sqlite:a?b.db?table=t"), "sqlite:b/c?table=t");
        assert_eq!(moved("sqlite:a.db"), "sqlite:b/c?table=results");
        assert_eq!(moved("null:"), "null:");
        assert_eq!(
            parse("sqlite:a?b.db?table=t").unwrap().path(),
            Some("a?b.db".into())
        );
        assert_eq!(parse("file:a?b").unwrap().path(), Some("a?b".into()));
    }
}
