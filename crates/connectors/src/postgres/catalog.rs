//! What the catalog of a server says of a table: its columns, and the rights that somebody has.

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error};

use super::link::bound;
use super::name::Name;

/// One column, as the catalog has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    /// The number of its type; of a domain that of the type beneath.
    pub(super) oid: u32,
    /// The number of the type of its elements, where it is an array; else 0.
    pub(super) element: u32,
    /// The type in words.
    pub(super) kind: String,
    /// Whether it takes no NULL.
    pub(super) is_required: bool,
    /// Whether the database fills it: a default, an identity.
    pub(super) has_default: bool,
    /// Whether nobody else may fill it.
    pub(super) is_generated: bool,
    /// Whether nobody else may change it: an identity that is generated always.
    pub(super) is_fixed: bool,
    /// The unique keys of this column alone, by the names of their indexes, in a table of parts by those of all parts.
    pub(super) keys: Vec<String>,
}

/// The columns of a table, in their order.
const COLUMNS: &str = "\
SELECT a.attname::text, kind.oid, format_type(a.atttypid, a.atttypmod), a.attnotnull, \
    a.atthasdef OR a.attidentity <> '', a.attgenerated <> '', \
    ARRAY(SELECT c.relname::text FROM pg_index i CROSS JOIN LATERAL \
        (SELECT i.indexrelid::oid AS oid UNION SELECT relid::oid FROM pg_partition_tree(i.indexrelid)) AS own \
        JOIN pg_class c ON c.oid = own.oid \
        WHERE i.indrelid = a.attrelid AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indnkeyatts = 1 \
        AND i.indkey[0] = a.attnum AND i.indpred IS NULL AND i.indexprs IS NULL), \
    COALESCE((SELECT element.oid FROM pg_type element WHERE element.typarray = kind.oid), 0), a.attidentity = 'a' \
FROM pg_attribute a CROSS JOIN LATERAL \
    (WITH RECURSIVE beneath(oid, typtype, next) AS \
        (SELECT oid, typtype, typbasetype FROM pg_type WHERE oid = a.atttypid UNION ALL \
        SELECT t.oid, t.typtype, t.typbasetype FROM pg_type t JOIN beneath b ON b.typtype = 'd' AND t.oid = b.next) \
    SELECT oid FROM beneath WHERE typtype <> 'd') AS kind \
WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped \
ORDER BY a.attnum";

/// The rights that are missing, and whether row-level security applies. Those on some columns may be enough.
const RIGHTS: &str = "\
SELECT ARRAY(SELECT name FROM unnest(ARRAY['INSERT', 'UPDATE', 'SELECT']) AS name \
    WHERE NOT has_any_column_privilege($1, name)), row_security_active($1)";

/// What the user of a connection may do with a table.
pub(super) struct Rights {
    /// The rights that are missing, of INSERT, UPDATE and SELECT.
    pub(super) missing: Vec<String>,
    pub(super) has_row_security: bool,
}

/// The columns of this table; none where there is no such table.
pub(super) async fn columns(client: &Client, table: &Name) -> Result<Vec<Column>, Error> {
    let text = [bound(&table.quoted, Type::TEXT)];
    let rows = client.query_typed(COLUMNS, &text).await?;
    let columns = rows.iter().map(|row| Column {
        name: row.get(0),
        oid: row.get(1),
        kind: row.get(2),
        is_required: row.get(3),
        has_default: row.get(4),
        is_generated: row.get(5),
        keys: row.get(6),
        element: row.get(7),
        is_fixed: row.get(8),
    });
    Ok(columns.collect())
}

/// What may be done with this table, which exists.
pub(super) async fn rights(client: &Client, table: &Name) -> Result<Rights, Error> {
    let text = [bound(&table.quoted, Type::TEXT)];
    let row = client.query_typed_one(RIGHTS, &text).await?;
    Ok(Rights {
        missing: row.get(0),
        has_row_security: row.get(1),
    })
}
