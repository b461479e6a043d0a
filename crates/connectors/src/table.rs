//! The name of a table in an address. It becomes part of the SQL, where nothing can be bound.

use crate::ledger::Account;

/// Characters of a table's name at most; nobody's are longer, and it keeps messages readable.
const TABLE_CHARS_MAX: usize = 128;

/// A table's name: letters, digits and `_`.
pub(crate) fn identifier(name: &str) -> Result<&str, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_fit = !name.is_empty()
        && name.len() <= TABLE_CHARS_MAX
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(is_plain);
    if !is_fit {
        return Err(format!(
            "table `{name}` cannot be used; letters, digits and _ can"
        ));
    }
    not_reserved(name).map(|()| name)
}

/// Whether a table of results may have this name.
pub(crate) fn not_reserved(name: &str) -> Result<(), String> {
    match Account::is_reserved(name) {
        true => Err(format!(
            "table `{name}` is where account is kept of what is saved; name another"
        )),
        false => Ok(()),
    }
}
