//! An address as typed, `postgres://USER@HOST:PORT/DATABASE?…`, taken apart and safe to print. Holds no secret: only where the
//! password is to be found.

use std::fmt;

use percent_encoding::percent_decode_str;

use crate::nearest::unknown;
use crate::tls::is_loopback;

/// Where Postgres listens unless told otherwise.
const PORT: u16 = 5432;

/// Parameters of every address; others say what is read or saved.
const OWN: [&str; 4] = ["host", "password", "sslmode", "sslrootcert"];

/// Which database, as whom, and how to get there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// A name or address of a machine, or the folder of a socket, which begins with `/`.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: String,
    pub(super) database: String,
    /// `env:NAME` or `file:PATH`.
    pub(super) password: Option<String>,
    pub(super) encryption: Encryption,
    /// Certificates (PEM) that are trusted besides those of the system.
    pub(super) ca_file: Option<String>,
}

/// What is asked of the way to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encryption {
    /// Nothing: it is said to be private.
    None,
    /// TLS, with a certificate that is trusted, for whatever name.
    Trusted,
    /// TLS, with a certificate that is trusted, for this name.
    Full,
}

/// The parameters of an address that say what is read or saved, in their order.
pub(super) type Parameters = Vec<(String, String)>;

impl Address {
    /// Reads an address that may have these parameters besides its own; what it leaves open is asked of the
    /// environment, by the names that `psql` knows.
    ///
    /// Fails with a sentence that shows no password.
    pub(super) fn parse(
        text: &str,
        known: &[&str],
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<(Address, Parameters), String> {
        let shown = shown(text);
        let fail = |why: &str| format!("address {shown}: {why}");
        let (_, rest) = text
            .split_once("://")
            .ok_or_else(|| fail("should look like postgres://USER@HOST:PORT/DATABASE?table=T"))?;
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = place.split_once('/').unwrap_or((place, ""));
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (user, host),
            None => ("", authority),
        };
        if user.contains(':') {
            return Err(fail(
                "everybody on this machine sees a password there; give it as ?password=env:NAME or file:PATH, or in \
                 PGPASSWORD",
            ));
        }
        let (host, port) = host_and_port(host).ok_or_else(|| fail("has no valid port"))?;
        let parameters = parameters(query, known).map_err(|why| fail(&why))?;
        let (own, others): (Parameters, Parameters) = parameters
            .into_iter()
            .partition(|(name, _)| OWN.contains(&name.as_str()));
        let own = |name: &str| {
            let found = own.iter().find(|(other, _)| other == name);
            found.map(|(_, value)| value.clone())
        };
        let decoded = |part: &str| decoded(part).map_err(|why| fail(&why));
        let filled = |text: String| Some(text).filter(|text| !text.is_empty());
        let host = own("host")
            .or(filled(decoded(host)?))
            .or_else(|| env("PGHOST"))
            .unwrap_or_else(|| "localhost".to_owned());
        let port = match port.map(str::to_owned).or_else(|| env("PGPORT")) {
            None => PORT,
            Some(text) => text.parse().map_err(|_| fail("has no valid port"))?,
        };
        let user = filled(decoded(user)?)
            .or_else(|| env("PGUSER"))
            .or_else(|| env("USER"))
            .ok_or_else(|| fail("names no user; write postgres://USER@HOST/…, or set PGUSER"))?;
        let database = filled(decoded(database)?)
            .or_else(|| env("PGDATABASE"))
            .unwrap_or_else(|| user.clone());
        let password = match own("password") {
            Some(place) if place.starts_with("env:") || place.starts_with("file:") => Some(place),
            Some(_) => {
                return Err(fail(
                    "everybody on this machine sees arguments; give the password as env:NAME or file:PATH, or in \
                     PGPASSWORD",
                ));
            }
            None => env("PGPASSWORD").map(|_| "env:PGPASSWORD".to_owned()),
        };
        let encryption = match own("sslmode").or_else(|| env("PGSSLMODE")) {
            Some(mode) => Encryption::parse(&mode).map_err(|why| fail(&why))?,
            None if is_private(&host) => Encryption::None,
            None => Encryption::Full,
        };
        let address = Address {
            host,
            port,
            user,
            database,
            password,
            encryption,
            ca_file: own("sslrootcert"),
        };
        Ok((address, others))
    }

    /// The host as it stands in an address.
    fn shown_host(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]", self.host),
            false => self.host.clone(),
        }
    }
}

/// Without the user, so that the same place is the same place for all.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "postgres://{}", self.shown_host())?;
        if self.port != PORT {
            write!(f, ":{}", self.port)?;
        }
        write!(f, "/{}", self.database)
    }
}

impl Encryption {
    fn parse(mode: &str) -> Result<Encryption, String> {
        match mode {
            "disable" => Ok(Encryption::None),
            "require" => Ok(Encryption::Trusted),
            "verify-full" => Ok(Encryption::Full),
            "prefer" | "allow" => Err(format!(
                "sslmode {mode} goes on without encryption where there is none; say disable, require or verify-full"
            )),
            _ => Err(unknown(
                "sslmode",
                mode,
                &["disable", "require", "verify-full"],
            )),
        }
    }
}

/// Whether nobody listens on the way: this machine, or a socket in its file system.
fn is_private(host: &str) -> bool {
    host.starts_with('/') || is_loopback(host)
}

/// `HOST`, `HOST:PORT` or `[ADDRESS]:PORT`, without brackets.
fn host_and_port(text: &str) -> Option<(&str, Option<&str>)> {
    let (host, rest) = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => match text.find(':') {
            Some(colon) => text.split_at(colon),
            None => (text, ""),
        },
    };
    match rest {
        "" => Some((host, None)),
        port => Some((host, Some(port.strip_prefix(':')?))),
    }
}

fn parameters(query: &str, known: &[&str]) -> Result<Parameters, String> {
    let mut found = Parameters::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let all = [known, &OWN].concat();
        if !all.contains(&name) {
            return Err(unknown("parameter", name, &all));
        }
        if found.iter().any(|(other, _)| other == name) {
            return Err(format!("parameter {name} comes twice"));
        }
        found.push((name.to_owned(), decoded(value)?));
    }
    Ok(found)
}

/// Resolves `%20` and its like; a percent sign that is not followed by two hex digits is itself.
fn decoded(text: &str) -> Result<String, String> {
    let text = percent_decode_str(text).decode_utf8();
    let text = text.map_err(|_| {
        "holds bytes that are no text; a percent sign before two digits is written %25".to_owned()
    })?;
    Ok(text.into_owned())
}

/// What can be shown of any address: neither user nor parameters.
fn shown(text: &str) -> String {
    let place = text.split('?').next().unwrap_or_default();
    match (place.split_once("://"), place.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://{rest}"),
        _ => place.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, env: &[(&str, &str)]) -> Result<(Address, Parameters), String> {
        Address::parse(text, &["table", "query", "key"], |name| {
            let found = env.iter().find(|(other, _)| *other == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn addresses_are_taken_apart() {
        let (address, parameters) = parse(
            "postgres://me@db.example:99/night?table=t%5f1&sslmode=require",
            &[],
        )
        .unwrap();
        let expected = Address {
            host: "db.example".into(),
            port: 99,
            user: "me".into(),
            database: "night".into(),
            password: None,
            encryption: Encryption::Trusted,
            ca_file: None,
        };
        assert_eq!(address, expected);
        assert_eq!(parameters, [("table".to_owned(), "t_1".to_owned())]);
        assert_eq!(address.to_string(), "postgres://db.example:99/night");
        let (socket, _) = parse("postgresql://me@/d?host=/run/postgresql", &[]).unwrap();
        assert_eq!(
            (socket.host.as_str(), socket.encryption),
            ("/run/postgresql", Encryption::None)
        );
        let (six, _) = parse("postgres://me@[::1]:5433/d", &[]).unwrap();
        assert_eq!((six.host.as_str(), six.port), ("::1", 5433));
        assert_eq!(six.to_string(), "postgres://[::1]:5433/d");
    }

    #[test]
    fn what_is_left_open_is_asked_of_the_environment() {
        let env = [
            ("PGHOST", "db"),
            ("PGPORT", "7"),
            ("PGUSER", "me"),
            ("PGDATABASE", "d"),
            ("PGPASSWORD", "canary"),
        ];
        let (address, _) = parse("postgres://?table=t", &env).unwrap();
        let expected = Address {
            host: "db".into(),
            port: 7,
            user: "me".into(),
            database: "d".into(),
            password: Some("env:PGPASSWORD".into()),
            encryption: Encryption::Full,
            ca_file: None,
        };
        assert_eq!(address, expected);
        let typed = "postgres://you@localhost:8/e?password=file:/p&sslrootcert=ca.pem";
        let (address, _) = parse(typed, &env).unwrap();
        let expected = Address {
            host: "localhost".into(),
            port: 8,
            user: "you".into(),
            database: "e".into(),
            password: Some("file:/p".into()),
            encryption: Encryption::None,
            ca_file: Some("ca.pem".into()),
        };
        assert_eq!(address, expected);
        let (alone, _) = parse("postgres://localhost", &[("USER", "me")]).unwrap();
        assert_eq!((alone.user.as_str(), alone.database.as_str()), ("me", "me"));
    }

    #[test]
    fn mistakes_are_named_and_passwords_are_not_shown() {
        let check = |text: &str, part: &str| {
            let message = parse(text, &[]).unwrap_err();
            assert!(message.contains(part), "{text}: {message}");
            assert!(!message.contains("canary"), "{message}");
        };
        check("postgres:db", "should look like postgres://");
        check("postgres://me:canary@db/d", "?password=env:NAME");
        check(
            "postgres://me@db/d?password=canary",
            "env:NAME or file:PATH",
        );
        check("postgres://me@db:x/d", "no valid port");
        check("postgres://me@db:99999/d", "no valid port");
        check("postgres://me@[::1/d", "no valid port");
        check("postgres://db/d", "names no user");
        check("postgres://me@db/d?tabel=t", "did you mean `table`?");
        check("postgres://me@db/d?table=a&table=b", "comes twice");
        check("postgres://me@db/d?sslmode=prefer", "say disable, require");
        check("postgres://me@db/d?sslmode=verify_full", "did you mean");
        check("postgres://me@db/d?query=LIKE '%ab'", "written %25");
    }
}
