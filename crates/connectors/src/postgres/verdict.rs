//! What the server's words mean: a SQLSTATE, or the lack of one, turned into a fault with its verdict.
//!
//! Only the code is judged. The text is for people.

use inflight::{Fault, Verdict};
use tokio_postgres::Error;
use tokio_postgres::error::DbError;

/// Characters of a message that are shown, of its detail and of its place each.
const SHOWN_CHARS_MAX: usize = 200;

/// What a SQLSTATE says about the next try of the rows it was the answer to.
pub(super) fn of_code(code: &str) -> Verdict {
    match code {
        // Cancelled by a deadline of the server's.
        "57014" => Verdict::Transient,
        _ => match code.get(..2).unwrap_or_default() {
            // Data, cardinality, constraints, checks of a view, limits of a program, and what functions and triggers raise.
            "21" | "22" | "23" | "38" | "39" | "44" | "54" | "P0" => Verdict::Permanent,
            // Out of disk, of memory, of connections.
            "53" => Verdict::Overload,
            // Serialisation, the server on its way out or in, a lock, a file system, a table that is gone: not the rows.
            _ => Verdict::Transient,
        },
    }
}

/// What a refusal says about the next try of the rows it was the answer to.
fn of(refusal: &DbError) -> Verdict {
    // A right that is missing and a row that a policy forbids have one code; the place in the server's source is not translated.
    if refusal.routine() == Some("ExecWithCheckOptions") {
        return Verdict::Permanent;
    }
    of_code(refusal.code().code())
}

/// Why rows were not saved, by the answer to all before the commit: nothing of it has taken effect.
pub(super) fn refused(place: &str, error: &Error) -> Fault {
    match error.as_db_error() {
        Some(refusal) => Fault::new(of(refusal), said(place, refusal)).counted_as(counted(refusal)),
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
        Some(refusal) if is_clear(refusal.code().code()) => refused(place, error),
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

/// Why there is no connection: the server is away, or nobody like this is let in.
pub(super) fn unconnected(place: &str, error: &Error) -> Fault {
    let fault = match error.as_db_error() {
        Some(refusal) if is_mistake(refusal.code().code()) => {
            Fault::permanent(said(place, refusal))
        }
        Some(refusal) => Fault::unreached(said(place, refusal)),
        None => Fault::unreached(format!("cannot connect to {place}{}", cause(error))),
    };
    fault.counted_as("no connection")
}

/// Whether somebody has to see to it: a password, a database or a right that is not there.
fn is_mistake(code: &str) -> bool {
    ["28", "3D", "42"]
        .iter()
        .any(|class| code.starts_with(class))
}

/// Whether nothing can have been committed: a constraint that is checked late, serialisation.
fn is_clear(code: &str) -> bool {
    of_code(code) == Verdict::Permanent || code.starts_with("40") || code.starts_with("25")
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
    fn codes_have_verdicts() {
        let check = |verdict: Verdict, codes: &[&str]| {
            for code in codes {
                assert_eq!(of_code(code), verdict, "{code}");
            }
        };
        let permanent = [
            "22001", "22P02", "22021", "23505", "23502", "21000", "44000", "54000", "P0001",
        ];
        check(Verdict::Permanent, &permanent);
        check(Verdict::Overload, &["53100", "53200", "53300"]);
        let transient = [
            "40001", "40P01", "55P03", "57014", "57P01", "57P03", "58030", "08006", "42P01",
            "25006", "XX000", "",
        ];
        check(Verdict::Transient, &transient);
    }

    #[test]
    fn a_commit_is_in_doubt_unless_it_was_clearly_refused() {
        for code in ["23505", "40001", "40P01", "25P02"] {
            assert!(is_clear(code), "{code}");
        }
        for code in ["57P01", "57P02", "08006", "53100", "XX000"] {
            assert!(!is_clear(code), "{code}");
        }
    }
}
