//! By which column a table knows the rows of items, where that is a key of its own, and what becomes of an item whose row is
//! missing. Pure: which statements follow from it is for each database to know.

use inflight::Fault;

use crate::nearest::unknown;

/// Parameters of an address that say so.
pub(crate) const PARAMETERS: [&str; 2] = ["key", "missing"];

/// The key of a table whose rows are updated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RowKey {
    /// The column, as the table has it.
    pub(crate) column: String,
    pub(crate) missing: Missing,
}

/// What becomes of an item whose row the table does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// The item is a dead letter.
    Fail,
    /// The row is inserted.
    Insert,
    /// Nothing, and the item counts as saved.
    Skip,
}

impl RowKey {
    /// What the settings and the parameters of an address say together; `None` where rows are known by the index of the item.
    ///
    /// Fails with a sentence that names the parameter at fault.
    pub(crate) fn new(
        setting: Option<&str>,
        parameter: Option<&str>,
        missing: Option<&str>,
    ) -> Result<Option<RowKey>, String> {
        let filled = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
        let column = match (filled(setting), filled(parameter)) {
            (Some(setting), Some(parameter)) if setting != parameter => {
                return Err(format!(
                    "key={parameter} is not the --key of the job, {setting}; leave one of them out"
                ));
            }
            (setting, parameter) => setting.or(parameter),
        };
        let missing = match missing {
            None | Some("fail") => Missing::Fail,
            Some("insert") => Missing::Insert,
            Some("skip") => Missing::Skip,
            Some(other) => return Err(unknown("missing", other, &["fail", "insert", "skip"])),
        };
        match column {
            Some(column) => Ok(Some(RowKey { column, missing })),
            None if missing == Missing::Fail => Ok(None),
            None => Err("missing= is about rows found by their key; add key=COLUMN".into()),
        }
    }

    /// Why a row was not updated: the table has none with this key.
    pub(crate) fn lacks(&self, place: &str, value: &str) -> Fault {
        Fault::permanent(format!(
            "{place} has no row with {} {}; missing=insert in the address inserts such rows, missing=skip passes over them",
            self.column,
            shown(value)
        ))
        .counted_as("no row with this key")
    }

    /// Why a row was not saved: another item of the same request has the same key.
    #[cfg(feature = "postgres")]
    pub(crate) fn twice(&self, value: &str) -> Fault {
        Fault::permanent(format!(
            "{} {} is the key of an earlier item too",
            self.column,
            shown(value)
        ))
        .counted_as("key of an earlier item")
    }
}

/// Why no row can be found: the item has none of what this column should hold.
pub(crate) fn no_key(column: &str) -> Fault {
    Fault::permanent(format!(
        "key {column} is null, and no row can be found by it"
    ))
    .counted_as("no key")
}

/// Characters of a key that are shown.
const SHOWN_CHARS_MAX: usize = 100;

fn shown(value: &str) -> String {
    let value = value.chars().take(SHOWN_CHARS_MAX);
    value
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// The key of a table that can be asked for rows to leave out.
///
/// # Errors
/// Where only rows that exist are saved, which would all be left out.
pub(crate) fn asked(key: Option<&RowKey>) -> Result<&str, Fault> {
    match key {
        Some(key) if key.missing == Missing::Insert => Ok(&key.column),
        Some(key) => Err(Fault::permanent(format!(
            "--skip-existing would leave out every row that this job updates: rows are found by {}, and must exist; add missing=insert to \
             the address, or select in the input what is to be done",
            key.column
        ))),
        None => Err(Fault::permanent("--skip-existing needs --key")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_said_once_or_twice_alike() {
        let check =
            |setting, parameter, missing, expected: Result<Option<(&str, Missing)>, &str>| match (
                RowKey::new(setting, parameter, missing),
                expected,
            ) {
                (Ok(key), Ok(expected)) => {
                    let key = key.as_ref().map(|key| (key.column.as_str(), key.missing));
                    assert_eq!(key, expected);
                }
                (Err(why), Err(part)) => assert!(why.contains(part), "{why}"),
                (got, expected) => panic!("{got:?}, expected {expected:?}"),
            };
        check(None, None, None, Ok(None));
        check(None, Some("id"), None, Ok(Some(("id", Missing::Fail))));
        check(
            Some("id"),
            None,
            Some("skip"),
            Ok(Some(("id", Missing::Skip))),
        );
        let both = Ok(Some(("id", Missing::Insert)));
        check(Some("id"), Some("id"), Some("insert"), both);
        check(Some("a"), Some("b"), None, Err("is not the --key"));
        check(None, None, Some("skip"), Err("add key=COLUMN"));
        check(None, Some("id"), Some("skp"), Err("did you mean `skip`"));
    }
}
