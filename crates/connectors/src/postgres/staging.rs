//! A temporary table beside that of the results, from which rows are moved: what COPY cannot do by itself.
//!
//! COPY replaces no row, does not go with row-level security, and does not say which rows a trigger dropped. Only the
//! statements are here; who sends them, and when, is for a connection to know.

use super::shape::{Shape, quoted};

/// The temporary table of a session.
const TABLE: &str = "pg_temp.inflight_staging";

/// The statements of a temporary table.
pub(super) struct Staging {
    /// Makes the table for as long as the session lasts; each commit empties it.
    pub(super) create: String,
    /// Makes the table for one transaction.
    pub(super) create_once: String,
    pub(super) copy: String,
    /// Moves the rows, and replaces what is there. Says how many were moved or replaced.
    pub(super) move_on: String,
    /// The indexes of the rows that were not moved. A row that was there as it should be counts as moved.
    pub(super) dropped: String,
}

impl Staging {
    pub(super) fn new(table: &str, shape: &Shape) -> Staging {
        let (columns, replacements) = (shape.columns(), shape.replacements());
        // With the types of the table and nothing else of it: constraints are looked at where rows are moved to.
        let create = |on_commit: &str| {
            format!(
                "CREATE TEMP TABLE inflight_staging ON COMMIT {on_commit} AS SELECT {columns} FROM {table} WITH NO DATA"
            )
        };
        Staging {
            create: create("DELETE ROWS"),
            create_once: create("DROP"),
            copy: copy_sql(TABLE, shape),
            move_on: format!(
                "INSERT INTO {table}({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM {TABLE} \
                 ON CONFLICT (\"index\") DO UPDATE SET {replacements}"
            ),
            // A row is ours if this transaction wrote it. Types without an equality are compared as text.
            dropped: format!(
                "SELECT staged.\"index\" FROM {TABLE} AS staged WHERE NOT EXISTS (SELECT FROM {table} AS saved \
                 WHERE saved.\"index\" = staged.\"index\" AND \
                 (saved.xmin::text = (txid_current() % 4294967296)::text OR {}))",
                same(shape)
            ),
        }
    }
}

/// Copies rows from us into this table.
pub(super) fn copy_sql(table: &str, shape: &Shape) -> String {
    let form = if shape.is_binary() {
        " (FORMAT binary)"
    } else {
        ""
    };
    format!("COPY {table}({}) FROM STDIN{form}", shape.columns())
}

/// Whether a row that is saved holds what is staged.
fn same(shape: &Shape) -> String {
    let same = shape.replaced().map(|name| {
        let name = quoted(name);
        format!("saved.{name}::text IS NOT DISTINCT FROM staged.{name}::text")
    });
    same.collect::<Vec<_>>().join(" AND ")
}
