//! Which keys the table has: read a page at a time, each in a transaction of its own, so that none is long.

use inflight::Fault;

use super::catalog;
use super::link::bound;
use super::name::quoted;
use super::sink::PostgresSink;
use crate::existing::{EachKey, unkept};
use crate::row_key::asked;

/// Keys in a page: some 100 ms of work for the server, a megabyte or two of text.
const PAGE: usize = 1 << 16;

impl PostgresSink {
    pub(crate) fn existing(&self, each: EachKey<'_>) -> Result<(), Fault> {
        let plan = &self.0;
        let column = asked(plan.key.as_ref())?;
        plan.opener.alone(async |link| {
            let client = &link.client;
            let columns = catalog::columns(client, &plan.table)
                .await
                .map_err(|cause| plan.refused(&cause))?;
            let Some(key) = columns.iter().find(|found| found.name == column) else {
                // A table that is yet to be made has none; one without the column is told of by whoever saves.
                return Ok(());
            };
            // Without the table's name, to order by it would be to order by the text.
            let (table, kind) = (&plan.table.quoted, &key.kind);
            let column = format!("t.{}", quoted(column));
            let mut last: Option<String> = None;
            loop {
                let after = match &last {
                    Some(_) => format!("{column} > $1::text::{kind}"),
                    None => format!("{column} IS NOT NULL AND $1::text IS NULL"),
                };
                let page = format!(
                    "SELECT {column}::text FROM {table} AS t WHERE {after} ORDER BY {column} LIMIT {PAGE}"
                );
                let rows = client
                    .query_typed(&page, &[bound(&last, tokio_postgres::types::Type::TEXT)])
                    .await
                    .map_err(|cause| plan.refused(&cause))?;
                for row in &rows {
                    each(row.get(0)).map_err(unkept)?;
                }
                if rows.len() < PAGE {
                    return Ok(());
                }
                last = rows.last().map(|row| row.get(0));
            }
        })
    }
}
