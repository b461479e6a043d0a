//! Looks at the columns of a query before any row is read: each has a name of its own, and the key is one.

use std::time::Duration;

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, SimpleQueryMessage};

use super::link::bound;
use super::name::quoted;
use super::source::Selection;
use crate::nearest::unknown;

/// How long it may take to look whether a key comes twice. A query that takes longer is read all the same, and stops at the
/// first key that does.
const LOOK_MAX: Duration = Duration::from_secs(30);

/// Whether no two rows of a table can have the same value in this column, and none NULL.
const IS_UNIQUE: &str = "\
SELECT EXISTS (SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid \
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] \
    WHERE i.indrelid = to_regclass($1) AND a.attname = $2 AND a.attnotnull AND i.indisunique AND i.indisvalid \
    AND i.indimmediate AND i.indnkeyatts = 1 AND i.indpred IS NULL AND i.indexprs IS NULL \
    AND (c.relkind = 'p' OR NOT c.relhassubclass))";

/// What is wrong with the columns of a selection, if anything is. Runs in a transaction that only reads.
pub(super) async fn check(client: &Client, selection: &Selection) -> Result<Option<String>, Error> {
    let select = format!("SELECT * {} LIMIT 0", selection.from());
    let answers = client.simple_query(&select).await?;
    let names: Vec<&str> = answers.iter().flat_map(names).collect();
    if let Some(name) = twice(&names) {
        return Ok(Some(format!(
            "two columns are called `{name}`, and an item can have only one; give one of them another name, {name} AS OTHER"
        )));
    }
    let Some(key) = &selection.key else {
        return Ok(None);
    };
    if !names.contains(&key.as_str()) {
        return Ok(Some(unknown("key", key, &names)));
    }
    key_is_one(client, selection, key).await
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
async fn key_is_one(
    client: &Client,
    selection: &Selection,
    key: &str,
) -> Result<Option<String>, Error> {
    if let Some(table) = &selection.table {
        let values = [bound(&table.quoted, Type::TEXT), bound(&key, Type::TEXT)];
        if client.query_typed_one(IS_UNIQUE, &values).await?.get(0) {
            return Ok(None);
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
        Err(cause) if cause.code().is_some_and(|code| code.code() == "57014") => return Ok(None),
        found => found?,
    };
    Ok(found.map(|row| {
        let (value, count): (Option<&str>, i64) = (row.get(0), row.get(1));
        match value {
            Some(value) => {
                format!("key {key} is not unique: `{value}` comes {count} times; name another key")
            }
            None => format!(
                "key {key} is NULL in {count} rows; leave such rows out, or name another key"
            ),
        }
    }))
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
