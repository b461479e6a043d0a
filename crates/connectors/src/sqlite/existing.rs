//! Which keys the table has.

use inflight::Fault;
use rusqlite::{Connection, Error};

use super::SqliteSink;
use super::statements::quoted;
use crate::existing::{EachKey, unkept};
use crate::file_id;
use crate::row_key::asked;

impl SqliteSink {
    pub(crate) fn existing(&self, each: EachKey<'_>) -> Result<(), Fault> {
        let plan = &self.plan;
        let column = asked(plan.key.as_ref())?;
        let failed = |cause: &Error| {
            let (path, table) = (plan.path.display(), &plan.table);
            let message = format!("cannot read the keys in table {table} of {path}: {cause}");
            plan.unfit(cause, message)
        };
        if matches!(file_id::look(&plan.path), Ok(None)) {
            return Ok(());
        }
        let connection = plan.open_old().map_err(|cause| failed(&cause))?;
        if !has_table(&connection, &plan.table).map_err(|cause| failed(&cause))? {
            return Ok(());
        }
        let column = quoted(column);
        let select = format!(
            "SELECT CAST({column} AS TEXT) FROM {} WHERE {column} IS NOT NULL",
            quoted(&plan.table)
        );
        let mut read = || {
            let mut statement = connection.prepare(&select)?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                // A key that is no text is that of no item.
                if let Ok(key) = row.get_ref(0)?.as_str()
                    && let Err(cause) = each(key)
                {
                    return Ok(Err(cause));
                }
            }
            Ok(Ok(()))
        };
        read().map_err(|cause| failed(&cause))?.map_err(unkept)
    }
}

fn has_table(connection: &Connection, table: &str) -> rusqlite::Result<bool> {
    let has = "SELECT EXISTS (SELECT 1 FROM pragma_table_info(?1))";
    connection.query_row(has, [table], |row| row.get(0))
}
