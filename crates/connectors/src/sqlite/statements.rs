//! What is said to SQLite about the table of results, and what that table lacks.

use super::Plan;
use crate::nearest::unknown;
use crate::row_key::Missing;

/// Whether no two rows of a table can have the same value in this column: it has a unique index of its own, or is the number of
/// the row.
const IS_UNIQUE: &str = "\
SELECT EXISTS (SELECT 1 FROM pragma_index_list(?1) AS i WHERE i.\"unique\" AND NOT i.partial \
    AND (SELECT count(*) = 1 AND min(name) = ?2 COLLATE NOCASE FROM pragma_index_info(i.name))) \
OR (SELECT count(*) = 1 AND min(name) = ?2 COLLATE NOCASE FROM pragma_table_xinfo(?1) WHERE pk > 0)";

impl Plan {
    /// The column by which rows are known.
    pub(super) fn key_column(&self) -> &str {
        self.key.as_ref().map_or("index", |key| &key.column)
    }

    /// Whether a table that is missing is made, and rows that are.
    pub(super) fn inserts(&self) -> bool {
        let missing = self.key.as_ref().map(|key| key.missing);
        missing.is_none_or(|missing| missing == Missing::Insert)
    }

    /// The names of the columns beside that by which rows are known, quoted.
    fn names(&self) -> Vec<String> {
        let names = self.columns.names();
        let names = names.filter(|name| *name != self.key_column());
        names.map(quoted).collect()
    }

    /// Makes the table where it is missing, if rows are made at all.
    pub(super) fn create(&self) -> String {
        if !self.inserts() {
            return String::new();
        }
        let (table, key) = (&self.table, quoted(self.key_column()));
        let kind = match self.key {
            Some(_) => "",
            None => "INTEGER ",
        };
        let names = self.names();
        let columns = names.iter().map(|name| format!(", {name}"));
        format!(
            "CREATE TABLE IF NOT EXISTS \"{table}\"({key} {kind}PRIMARY KEY{})",
            columns.collect::<String>()
        )
    }

    /// Makes a row, or replaces what is there.
    pub(super) fn upsert(&self) -> String {
        let (table, key) = (&self.table, quoted(self.key_column()));
        let names = self.names();
        let places = (2..).zip(&names).map(|(at, _)| format!(", ?{at}"));
        let replaced = names.iter().map(|name| format!("{name} = excluded.{name}"));
        let replaced = match names.len() {
            0 => "NOTHING".to_owned(),
            _ => format!("UPDATE SET {}", replaced.collect::<Vec<_>>().join(", ")),
        };
        let columns = names.iter().map(|name| format!(", {name}"));
        format!(
            "INSERT INTO \"{table}\"({key}{}) VALUES (?1{}) ON CONFLICT({key}) DO {replaced}",
            columns.collect::<String>(),
            places.collect::<String>()
        )
    }

    /// Changes a row that is there, if it is; for what the same values are bound as for [`Plan::upsert`].
    pub(super) fn update(&self) -> String {
        let (table, key) = (&self.table, quoted(self.key_column()));
        let names = self.names();
        let values = (2..)
            .zip(&names)
            .map(|(at, name)| format!("{name} = ?{at}"));
        format!(
            "UPDATE \"{table}\" SET {} WHERE {key} = ?1",
            values.collect::<Vec<_>>().join(", ")
        )
    }

    /// Whether a row is in the table; for what the same values are bound as for [`Plan::upsert`].
    pub(super) fn select(&self) -> String {
        let (table, key) = (&self.table, quoted(self.key_column()));
        let names = self.names();
        let same = (2..)
            .zip(&names)
            .map(|(at, name)| format!(" AND {name} IS ?{at}"));
        format!(
            "SELECT 1 FROM \"{table}\" WHERE {key} = ?1{}",
            same.collect::<String>()
        )
    }

    /// Whether the table has a row of this key.
    pub(super) fn find(&self) -> String {
        let (table, key) = (&self.table, quoted(self.key_column()));
        format!("SELECT 1 FROM \"{table}\" WHERE {key} = ?1")
    }

    /// What of the columns the table lacks, in words.
    pub(super) fn lacking(
        &self,
        connection: &rusqlite::Connection,
    ) -> rusqlite::Result<Option<String>> {
        let (path, table) = (self.path.display(), &self.table);
        let is_there = self.table_exists(connection)?;
        if !is_there && !self.inserts() {
            return Ok(Some(format!(
                "table {table} of {path} does not exist, and rows of it are to be updated; missing=insert makes it"
            )));
        }
        if self.columns.is_default() || !is_there {
            return Ok(None);
        }
        let mut select = connection.prepare("SELECT name FROM pragma_table_xinfo(?1)")?;
        let there = select.query_map((table,), |row| row.get::<_, String>(0))?;
        let there: Vec<String> = there.collect::<rusqlite::Result<_>>()?;
        let known: Vec<&str> = there.iter().map(String::as_str).collect();
        // SQLite takes names for the same whatever their case.
        let is_there = |name: &str| known.iter().any(|known| known.eq_ignore_ascii_case(name));
        if let Some(name) = self.columns.names().find(|name| !is_there(name)) {
            let unknown = unknown("column", name, &known);
            return Ok(Some(format!("table {table} of {path}: {unknown}")));
        }
        let Some(key) = &self.key else {
            return Ok(None);
        };
        if self.names().is_empty() {
            return Ok(Some(format!(
                "nothing is saved in table {table} of {path} but the key {0}; name what is, --columns {0},answer=.text",
                key.column
            )));
        }
        let is_unique: bool =
            connection.query_row(IS_UNIQUE, (table, &key.column), |row| row.get(0))?;
        Ok((!is_unique).then(|| {
            format!(
                "column {} of table {table} of {path} has no unique key of its own, and several rows could be one item's; \
                 CREATE UNIQUE INDEX … ON \"{table}\"({}) makes one",
                key.column,
                quoted(&key.column)
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
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
