//! A temporary table beside that of the results, from which rows are moved: what COPY cannot do by itself.
//!
//! COPY replaces and updates no row, does not go with row-level security, and does not say which rows a trigger dropped. Only the
//! statements are here; who sends them, and when, is for a connection to know.

use super::name::quoted;
use super::shape::Shape;
use crate::row_key::Missing;

/// The temporary table of a session.
const TABLE: &str = "pg_temp.inflight_staging";

/// The column of the temporary table with the place of a record in its bulk, where rows are known by a key of the table's own.
const PLACE: &str = "inflight_place";

/// The statements of a temporary table.
pub(super) struct Staging {
    /// Makes the table for as long as the session lasts; each commit empties it.
    pub(super) create: String,
    /// Makes the table for one transaction.
    pub(super) create_once: String,
    pub(super) copy: String,
    /// Moves the rows, and replaces or updates what is there. Says how many were moved.
    pub(super) move_on: String,
    /// Moves the rows that were not there to be updated, where that is wanted.
    pub(super) insert: Option<String>,
    /// The rows that were not moved, where fewer were than there are: whose each is, why, and its key. A row that was there as it
    /// should be counts as moved.
    pub(super) unmoved: String,
}

/// Why a row was not moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unmoved {
    /// A trigger dropped it.
    Dropped,
    /// The table has no row with its key.
    Missing,
    /// Another row before it has the same key.
    Twice,
}

impl Unmoved {
    /// What the statement [`Staging::unmoved`] calls it.
    pub(super) fn read(word: &str) -> Unmoved {
        match word {
            "missing" => Unmoved::Missing,
            "twice" => Unmoved::Twice,
            _ => Unmoved::Dropped,
        }
    }
}

impl Staging {
    pub(super) fn new(table: &str, shape: &Shape) -> Staging {
        let columns = shape.columns();
        // With the types of the table and nothing else of it: constraints are looked at where rows are moved to.
        let place = match shape.missing {
            Some(_) => format!("0 AS {PLACE}, "),
            None => String::new(),
        };
        let create = |on_commit: &str| {
            format!(
                "CREATE TEMP TABLE inflight_staging ON COMMIT {on_commit} AS SELECT {place}{columns} FROM {table} WITH NO DATA"
            )
        };
        let (move_on, insert) = match shape.missing {
            None => (upsert(table, shape, ""), None),
            Some(missing) => {
                let key = quoted(&shape.key);
                let is_new = format!(
                    "WHERE NOT EXISTS (SELECT FROM {table} AS saved WHERE saved.{key} = {TABLE}.{key})"
                );
                let insert = (missing == Missing::Insert).then(|| upsert(table, shape, &is_new));
                (update(table, shape), insert)
            }
        };
        Staging {
            create: create("DELETE ROWS"),
            create_once: create("DROP"),
            copy: copy_sql(TABLE, shape, true),
            move_on,
            insert,
            unmoved: unmoved(table, shape),
        }
    }
}

/// Copies rows from us into this table, or into the temporary one.
pub(super) fn copy_sql(table: &str, shape: &Shape, is_staging: bool) -> String {
    let form = if shape.is_binary() {
        " (FORMAT binary)"
    } else {
        ""
    };
    let place = match shape.missing {
        Some(_) if is_staging => format!("{PLACE}, "),
        _ => String::new(),
    };
    format!("COPY {table}({place}{}) FROM STDIN{form}", shape.columns())
}

fn upsert(table: &str, shape: &Shape, condition: &str) -> String {
    let columns = shape.columns();
    let values = shape.replaced().map(quoted);
    let values = values.map(|name| format!("{name} = excluded.{name}"));
    format!(
        "INSERT INTO {table}({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM {TABLE} {condition} \
         ON CONFLICT ({}) DO UPDATE SET {}",
        quoted(&shape.key),
        values.collect::<Vec<_>>().join(", ")
    )
}

fn update(table: &str, shape: &Shape) -> String {
    let values = shape.replaced().map(quoted);
    let values = values.map(|name| format!("{name} = staged.{name}"));
    format!(
        "UPDATE {table} AS saved SET {} FROM {TABLE} AS staged WHERE saved.{key} = staged.{key}",
        values.collect::<Vec<_>>().join(", "),
        key = quoted(&shape.key)
    )
}

/// A row is ours if this transaction wrote it. Types without an equality are compared as text.
fn unmoved(table: &str, shape: &Shape) -> String {
    let key = quoted(&shape.key);
    let is_saved = format!(
        "EXISTS (SELECT FROM {table} AS saved WHERE saved.{key} = staged.{key} AND \
         (saved.xmin::text = (txid_current() % 4294967296)::text OR {}))",
        same(shape)
    );
    if shape.missing.is_none() {
        return format!(
            "SELECT staged.{key}::bigint, 'dropped', NULL::text FROM {TABLE} AS staged WHERE NOT {is_saved}"
        );
    }
    format!(
        "SELECT staged.{PLACE}::bigint, CASE WHEN staged.inflight_turn > 1 THEN 'twice' \
         WHEN NOT EXISTS (SELECT FROM {table} AS saved WHERE saved.{key} = staged.{key}) THEN 'missing' \
         ELSE 'dropped' END, staged.{key}::text \
         FROM (SELECT *, row_number() OVER (PARTITION BY {key} ORDER BY {PLACE}) AS inflight_turn FROM {TABLE}) AS staged \
         WHERE staged.inflight_turn > 1 OR NOT {is_saved}"
    )
}

/// Whether a row that is saved holds what is staged.
fn same(shape: &Shape) -> String {
    let same = shape.replaced().map(|name| {
        let name = quoted(name);
        format!("saved.{name}::text IS NOT DISTINCT FROM staged.{name}::text")
    });
    same.collect::<Vec<_>>().join(" AND ")
}
