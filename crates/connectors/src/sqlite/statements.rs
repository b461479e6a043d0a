//! What is said to SQLite about the table of results, and what that table lacks.

use super::Plan;
use crate::nearest::unknown;

impl Plan {
    /// The name of the column that tells one row from another.
    fn identity(&self) -> &str {
        // Asked when the address was read.
        self.columns.identity().unwrap_or("index")
    }

    /// The names of the columns beside that one, quoted.
    fn names(&self) -> Vec<String> {
        let names = self.columns.names();
        names
            .filter(|name| *name != self.identity())
            .map(quoted)
            .collect()
    }

    pub(super) fn create(&self) -> String {
        let Plan { table, .. } = self;
        let identity = match self.columns.is_keyed() {
            true => format!("{} PRIMARY KEY", quoted(self.identity())),
            false => "\"index\" INTEGER PRIMARY KEY".to_owned(),
        };
        let names = self.names();
        let columns = names.iter().map(|name| format!(", {name}"));
        format!(
            "CREATE TABLE IF NOT EXISTS \"{table}\"({identity}{})",
            columns.collect::<String>()
        )
    }

    pub(super) fn upsert(&self) -> String {
        let Plan { table, .. } = self;
        let identity = quoted(self.identity());
        let names = self.names();
        let places = (2..).zip(&names).map(|(at, _)| format!(", ?{at}"));
        let replaced = names.iter().map(|name| format!("{name} = excluded.{name}"));
        let replaced = match names.len() {
            0 => "NOTHING".to_owned(),
            _ => format!("UPDATE SET {}", replaced.collect::<Vec<_>>().join(", ")),
        };
        let columns = names.iter().map(|name| format!(", {name}"));
        format!(
            "INSERT INTO \"{table}\"({identity}{}) VALUES (?1{}) ON CONFLICT({identity}) DO {replaced}",
            columns.collect::<String>(),
            places.collect::<String>()
        )
    }

    /// Whether a row is in the table; for what the same values are bound as for [`Plan::upsert`].
    pub(super) fn select(&self) -> String {
        let Plan { table, .. } = self;
        let names = self.names();
        let same = (2..)
            .zip(&names)
            .map(|(at, name)| format!(" AND {name} IS ?{at}"));
        format!(
            "SELECT 1 FROM \"{table}\" WHERE {} = ?1{}",
            quoted(self.identity()),
            same.collect::<String>()
        )
    }

    /// What the columns of a table must be, in words.
    pub(super) fn needs(&self) -> String {
        let names = self.columns.names().filter(|name| *name != self.identity());
        let names: Vec<&str> = names.collect();
        let others = match names.as_slice() {
            [] => String::new(),
            names => format!(" and {}", names.join(", ")),
        };
        format!(
            "it needs the columns \"{}\" (unique){others}",
            self.identity()
        )
    }

    /// What of the columns the table lacks, in words.
    pub(super) fn lacking(
        &self,
        connection: &rusqlite::Connection,
    ) -> rusqlite::Result<Option<String>> {
        if self.columns.is_default() || !self.table_exists(connection)? {
            return Ok(None);
        }
        let mut select = connection.prepare("SELECT name FROM pragma_table_xinfo(?1)")?;
        let there = select.query_map((&self.table,), |row| row.get::<_, String>(0))?;
        let there: Vec<String> = there.collect::<rusqlite::Result<_>>()?;
        let known: Vec<&str> = there.iter().map(String::as_str).collect();
        // SQLite takes names for the same whatever their case.
        let is_there = |name: &str| known.iter().any(|known| known.eq_ignore_ascii_case(name));
        let missing = self.columns.names().find(|name| !is_there(name));
        Ok(missing.map(|name| {
            let (path, table) = (self.path.display(), &self.table);
            format!(
                "table {table} of {path}: {}",
                unknown("column", name, &known)
            )
        }))
    }

    fn table_exists(&self, connection: &rusqlite::Connection) -> rusqlite::Result<bool> {
        let mut select =
            connection.prepare("SELECT 1 FROM sqlite_master WHERE name = ?1 COLLATE NOCASE")?;
        select.exists((&self.table,))
    }
}

/// A name, quoted.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
