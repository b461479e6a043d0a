//! Looks at the columns of a query before any row is read: each has a name of its own, and the key is one by which rows can be
//! read in order.

use std::time::Duration;

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, SimpleQueryMessage};

use super::link::bound;
use super::name::quoted;
use super::pages::Span;
use super::source::Selection;
use crate::nearest::unknown;

/// How long it may take to look whether a key comes twice; no transaction should last longer. A query that takes longer is read all
/// the same, and stops at the first key that does.
const LOOK_MAX: Duration = Duration::from_secs(8);

/// Whether no two rows of a table can have the same value in this column, and none NULL.
const IS_UNIQUE: &str = "\
SELECT EXISTS (SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid \
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] \
    WHERE i.indrelid = to_regclass($1) AND a.attname = $2 AND a.attnotnull AND i.indisunique AND i.indisvalid \
    AND i.indimmediate AND i.indnkeyatts = 1 AND i.indpred IS NULL AND i.indexprs IS NULL \
    AND (c.relkind = 'p' OR NOT c.relhassubclass))";

/// The rows of a selection that has a key; `None` where it has no key, or no rows. Or what is wrong with its columns. Runs in a
/// transaction that only reads, and may leave it broken.
pub(super) async fn check(
    client: &Client,
    selection: &Selection,
) -> Result<Result<Option<Span>, String>, Error> {
    let select = format!("SELECT * {} LIMIT 0", selection.from());
    let answers = client.simple_query(&select).await?;
    let names: Vec<&str> = answers.iter().flat_map(names).collect();
    if let Some(name) = twice(&names) {
        return Ok(Err(format!(
            "two columns are called `{name}`, and an item can have only one; give one of them another name, {name} AS OTHER"
        )));
    }
    let Some(key) = &selection.key else {
        return Ok(Ok(None));
    };
    if !names.contains(&key.as_str()) {
        return Ok(Err(no_column(key, &names)));
    }
    let span = match Span::read(client, selection, key).await {
        // Neither an operator for the order nor one to compare with.
        Err(cause) if cause.code().is_some_and(|code| code.code() == "42883") => {
            return Ok(Err(format!(
                "key {key} is of a type that has no order ({cause}); name another column, or make one: {key}::text AS k",
                cause = cause
                    .as_db_error()
                    .map_or("unknown", |refusal| refusal.message()),
            )));
        }
        span => span?,
    };
    let Some(span) = span else {
        return Ok(Ok(None));
    };
    Ok(match key_is_one(client, selection, key).await? {
        Found::Proven => Ok(Some(Span {
            is_unique: true,
            ..span
        })),
        Found::Nothing => Ok(Some(span)),
        Found::Wrong(wrong) => Err(wrong),
    })
}

/// What is said of a key that is no column.
fn no_column(key: &str, names: &[&str]) -> String {
    let is_known = |name: &str| names.contains(&name.trim());
    match key.contains(',') && key.split(',').all(is_known) {
        true => format!(
            "key {key} names several columns, and rows are read in the order of one; make one of them in a query, such as \
             query=SELECT *, {} AS k FROM …&key=k, with a unique index on the same expression",
            key.split(',')
                .map(str::trim)
                .collect::<Vec<_>>()
                .join(" || '/' || ")
        ),
        false => unknown("key", key, names),
    }
}

/// What a look at the keys has shown.
enum Found {
    /// That they are unique, and will be.
    Proven,
    /// Nothing wrong.
    Nothing,
    /// What is wrong with them.
    Wrong(String),
}

fn names(answer: &SimpleQueryMessage) -> Vec<&str> {
    match answer {
        SimpleQueryMessage::RowDescription(columns) => {
            columns.iter().map(|column| column.name()).collect()
        }
        _ => Vec::new(),
    }
}

/// A name that comes twice.
fn twice<'a>(names: &[&'a str]) -> Option<&'a str> {
    let mut names = names.to_vec();
    names.sort_unstable();
    let twice = names.windows(2).find(|pair| pair[0] == pair[1]);
    twice.map(|pair| pair[0])
}

/// Whether each row has a key of its own.
async fn key_is_one(client: &Client, selection: &Selection, key: &str) -> Result<Found, Error> {
    if let Some(table) = &selection.table {
        let values = [bound(&table.quoted, Type::TEXT), bound(&key, Type::TEXT)];
        if client.query_typed_one(IS_UNIQUE, &values).await?.get(0) {
            return Ok(Found::Proven);
        }
    }
    let limit = format!("SET LOCAL statement_timeout = {}", LOOK_MAX.as_millis());
    client.batch_execute(&limit).await?;
    let name = quoted(key);
    let look = format!(
        "SELECT q.{name}::text, count(*) {} GROUP BY q.{name} HAVING count(*) > 1 OR q.{name} IS NULL LIMIT 1",
        selection.from()
    );
    let found = match client.query_typed_opt(&look, &[]).await {
        // It takes too long: the rows are compared as they are read.
        Err(cause) if cause.code().is_some_and(|code| code.code() == "57014") => {
            return Ok(Found::Nothing);
        }
        found => found?,
    };
    let wrong = found.map(|row| {
        let (value, count): (Option<&str>, i64) = (row.get(0), row.get(1));
        match value {
            Some(value) => {
                format!("key {key} is not unique: `{value}` comes {count} times; name another key")
            }
            None => format!(
                "key {key} is NULL in {count} rows; leave such rows out, or name another key"
            ),
        }
    });
    Ok(wrong.map_or(Found::Nothing, Found::Wrong))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_comes_twice_is_found() {
        assert_eq!(twice(&["id", "a", "b", "id"]), Some("id"));
        assert_eq!(twice(&["id", "a", "Id"]), None);
        assert_eq!(twice(&[]), None);
    }
}
