//! What the server's words mean: a SQLSTATE, or the lack of one, turned into a fault with its verdict.
//!
//! Only the code is judged. The text is for people.

use inflight::Fault;
use tokio_postgres::Error;
use tokio_postgres::error::{DbError, Severity};

/// Characters of a message that are shown, of its detail and of its place each.
const SHOWN_CHARS_MAX: usize = 200;

/// What a refusal means for the next try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// A row is bad, and would be again.
    Row,
    /// The server asks for less.
    Load,
    /// It passes: the rows are as good as they were.
    Passing,
    /// Nothing will be saved before somebody has changed something; no row is to blame.
    Hopeless,
}

/// What a SQLSTATE means.
fn of_code(code: &str) -> Meaning {
    match code.get(..2).unwrap_or_default() {
        // Out of disk, of memory, of connections.
        "53" => Meaning::Load,
        // A feature, a statement, a right, a user, a database, a schema or a table that is not there.
        "0A" | "0L" | "0P" | "26" | "28" | "2B" | "3D" | "3F" | "42" | "F0" => Meaning::Hopeless,
        // The connection, the state of a transaction, serialisation, a lock, the server on its way out or in, a file system, the
        // server behind a foreign table, an error of the server's own: not the rows.
        "" | "00" | "01" | "02" | "03" | "08" | "0B" | "25" | "2D" | "40" | "55" | "57" | "58"
        | "72" | "HV" | "XX" => Meaning::Passing,
        // Data, constraints, limits of a program, and what functions and triggers raise, with whatever code of their own.
        _ => Meaning::Row,
    }
}

fn of(refusal: &DbError) -> Meaning {
    match (refusal.code().code(), refusal.routine()) {
        // A right that is missing and a row that a policy forbids have one code; the place in the server's source is not
        // translated.
        (_, Some("ExecWithCheckOptions")) => Meaning::Row,
        // A server that does not understand us. Poolers say the same of all that befalls them, and name no place.
        ("08P01", Some(_)) => Meaning::Hopeless,
        (code, _) => of_code(code),
    }
}

/// The fault of a refusal.
fn judged(place: &str, refusal: &DbError) -> Fault {
    let said = said(place, refusal);
    match of(refusal) {
        Meaning::Row => Fault::permanent(said),
        Meaning::Load => Fault::overload(said),
        // A server that goes away ends the connection with its answer; any other is there, and has looked at the rows.
        Meaning::Passing if refusal.parsed_severity() == Some(Severity::Error) => {
            Fault::transient(said).answered()
        }
        Meaning::Passing => Fault::transient(said),
        Meaning::Hopeless => Fault::stops_run(match way_out(refusal) {
            Some(way_out) => format!("{said}; {way_out}"),
            None => said,
        }),
    }
    .counted_as(counted(refusal))
}

/// What to do about a refusal that nothing else will change: what the server says, or what is known of the code.
fn way_out(refusal: &DbError) -> Option<String> {
    let known = match refusal.code().code() {
        "42501" => "grant this user the right, and run the same command again",
        "42P01" | "42703" | "3F000" => {
            "make the table as it was when the run began, and run the same command again"
        }
        "08P01" => "what listens there does not speak the protocol of Postgres as it should",
        code if code.starts_with("28") => {
            "check the user, the password and pg_hba.conf, and run the same command again"
        }
        code if code.starts_with("26") => {
            "something between here and the server does not keep the session"
        }
        _ => return refusal.hint().map(short),
    };
    Some(known.to_owned())
}

/// Why rows were not saved, by the answer to all before the commit: nothing of it has taken effect.
pub(super) fn refused(place: &str, error: &Error) -> Fault {
    match error.as_db_error() {
        Some(refusal) => {
            let fault = judged(place, refusal);
            let code = refusal.code().code();
            // On its way out or in: it is about no row.
            if code.starts_with("57P") || code.starts_with("08") {
                fault
            } else {
                fault.answered()
            }
        }
        None => Fault::transient(format!(
            "{place}: connection was cut before rows were committed{}",
            cause(error)
        ))
        .counted_as("connection cut before the commit"),
    }
}

/// The same by the answer to a commit: whatever is no clear refusal leaves it in doubt.
pub(super) fn commit_refused(place: &str, error: &Error) -> Fault {
    match error.as_db_error() {
        Some(refusal) if is_clear(refusal) => judged(place, refusal),
        Some(refusal) => Fault::in_doubt(said(place, refusal)).counted_as(counted(refusal)),
        None => Fault::in_doubt(format!("{place}: no answer to the commit{}", cause(error)))
            .counted_as("no answer to the commit"),
    }
}

/// Why a row is not there though nothing was refused.
pub(super) fn dropped(place: &str) -> Fault {
    Fault::permanent(format!(
        "{place} did not take the row: a trigger dropped it (BEFORE INSERT or UPDATE, RETURN NULL)"
    ))
    .counted_as("dropped by a trigger")
}

/// Whether whoever asks again later may get an answer: the server was away, or busy with others.
pub(super) fn is_passing(error: &Error) -> bool {
    match error.as_db_error() {
        Some(refusal) => matches!(of(refusal), Meaning::Passing | Meaning::Load),
        None => true,
    }
}

/// Why there is no connection: the server is away or has too many, or nobody like this is let in.
pub(super) fn unconnected(place: &str, error: &Error) -> Fault {
    let Some(refusal) = error.as_db_error() else {
        let fault = Fault::unreached(format!("cannot connect to {place}{}", cause(error)));
        return fault.counted_as("no connection");
    };
    match (of(refusal), refusal.code().code()) {
        (Meaning::Hopeless, _) => judged(place, refusal),
        (_, "53300") => Fault::no_more_connections(said(place, refusal)),
        _ => Fault::unreached(said(place, refusal)).counted_as("no connection"),
    }
}

/// Whether nothing can have been committed: a constraint that is checked late, serialisation.
fn is_clear(refusal: &DbError) -> bool {
    is_clear_code(refusal.code().code()) || of(refusal) == Meaning::Row
}

fn is_clear_code(code: &str) -> bool {
    matches!(of_code(code), Meaning::Row | Meaning::Hopeless)
        || code.starts_with("40")
        || code.starts_with("25")
}

/// What a report counts it as: code and constraint, which hold nothing of any row.
fn counted(refusal: &DbError) -> String {
    match refusal.constraint() {
        Some(constraint) => format!(
            "refused by Postgres: {} ({constraint})",
            refusal.code().code()
        ),
        None => format!("refused by Postgres: {}", refusal.code().code()),
    }
}

/// What the server said, with what it knows of the place.
pub(super) fn said(place: &str, refusal: &DbError) -> String {
    let code = refusal.code().code();
    let mut text = format!("{place}: {} ({code}", short(refusal.message()));
    if let Some(column) = refusal.column() {
        text.push_str(&format!(", column {column}"));
    }
    text.push(')');
    let more = match code {
        // Which key there is already; the detail of other constraints is the whole row.
        "23505" | "23503" | "23P01" => refusal.detail(),
        _ if code.starts_with("22") => refusal.where_(),
        _ => None,
    };
    if let Some(more) = more {
        text.push_str(&format!(": {}", short(more)));
    }
    text
}

fn short(text: &str) -> String {
    text.chars()
        .take(SHOWN_CHARS_MAX)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// The causes beneath the client's own words, which say little.
fn cause(error: &Error) -> String {
    let mut text = String::new();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        text.push_str(&format!(": {cause}"));
        next = cause.source();
    }
    match text.is_empty() {
        true => format!(": {error}"),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_meanings() {
        let check = |meaning: Meaning, codes: &[&str]| {
            for code in codes {
                assert_eq!(of_code(code), meaning, "{code}");
            }
        };
        let row = [
            "22001", "22P02", "22021", "23505", "23502", "21000", "27000", "44000", "54000",
            "P0001", "MY001", "AB123", "99999",
        ];
        check(Meaning::Row, &row);
        check(Meaning::Load, &["53100", "53200", "53300"]);
        let passing = [
            "40001", "40P01", "55P03", "57014", "57P01", "57P03", "58030", "08006", "08P01",
            "25006", "XX000", "",
        ];
        check(Meaning::Passing, &passing);
        let hopeless = [
            "0A000", "26000", "28000", "28P01", "3D000", "3F000", "42P01", "42501", "42P05",
        ];
        check(Meaning::Hopeless, &hopeless);
    }

    #[test]
    fn a_commit_is_in_doubt_unless_it_was_clearly_refused() {
        for code in ["23505", "40001", "40P01", "25P02", "42501", "MY001"] {
            assert!(is_clear_code(code), "{code}");
        }
        for code in ["57P01", "57P02", "08006", "53100", "XX000"] {
            assert!(!is_clear_code(code), "{code}");
        }
    }
}
