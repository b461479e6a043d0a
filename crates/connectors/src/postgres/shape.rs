//! What a table looks like, and which part of a record goes into which of its columns.
//!
//! Where columns were named, each gets its cell. Else a table with a column `result` gets the whole result there, and no other
//! column is touched; one without gets the fields of the result, each in the column of its name. The row of an item is known
//! by its index, in the column `index`, or by a key of the table's own.

use inflight::Fault;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::catalog::{self, Column};
use super::name::{Name, quoted};
use super::verdict;
use crate::nearest::nearest;
use crate::row_key::{Missing, RowKey};

/// What of a record goes into a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Index,
    /// The whole result.
    Whole,
    /// The field of this name of a result that is a JSON object.
    Field,
    /// The cell at this place, of the columns that were named.
    Cell(usize),
}

/// A column that is filled, and with what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) name: String,
    pub(super) part: Part,
    pub(super) takes: Takes,
}

/// What a column takes, as far as that decides how a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    Bigint,
    Text,
    Bytes,
    Json,
    Jsonb,
    /// An array, and whether its elements are JSON.
    Array {
        is_of_json: bool,
    },
    /// Whatever the server makes of a text.
    Other,
}

/// A column that no field may fill, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) name: String,
    pub(super) why: &'static str,
}

/// How the rows of a table are filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) targets: Vec<Target>,
    /// The columns that are not filled, where a field of the result may bear their name.
    pub(super) left: Vec<Left>,
    /// The column by which rows are known: `index`, or the key of the table.
    pub(super) key: String,
    /// The unique keys of that column: a row that is refused by one of them is there already.
    pub(super) keys: Vec<String>,
    /// Where the index stands among the columns that were named, if it does and rows are known by it.
    pub(super) index_cell: Option<usize>,
    /// What becomes of an item whose row is missing, where rows are known by the key of the table.
    pub(super) missing: Option<Missing>,
    /// Whether row-level security applies, with which COPY does not go.
    pub(super) has_row_security: bool,
}

/// What is to be saved of an item, and where.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted<'a> {
    /// The columns that were named.
    pub(super) columns: Option<&'a [&'a str]>,
    /// The key by which the table knows its rows, where that is not the index.
    pub(super) key: Option<&'a RowKey>,
}

impl Wanted<'_> {
    /// The column by which rows are known.
    fn key_column(&self) -> &str {
        self.key.map_or("index", |key| &key.column)
    }

    /// Whether rows that are missing are made.
    fn inserts(&self) -> bool {
        self.key.is_none_or(|key| key.missing == Missing::Insert)
    }
}

impl Shape {
    /// Looks at a table, and how its columns are filled: those that are named, or else all that nobody else fills.
    ///
    /// Fails with a sentence that says what the table has too much or too little: no row is to blame.
    pub(super) async fn read(
        client: &Client,
        table: &Name,
        wanted: Wanted<'_>,
    ) -> Result<Shape, Fault> {
        let place = &table.shown;
        let failed = |cause| verdict::refused(&format!("table {place}"), &cause);
        let columns = catalog::columns(client, table).await.map_err(failed)?;
        if columns.is_empty() {
            return Err(Fault::stops_run(format!(
                "table {place} does not exist; --create makes it, with {}",
                match wanted.key {
                    Some(key) => format!("{} text PRIMARY KEY, and missing=insert", key.column),
                    None => "\"index\" bigint PRIMARY KEY and result text".to_owned(),
                }
            )));
        }
        let rights = catalog::rights(client, table).await.map_err(failed)?;
        let lacking = rights.missing.iter();
        let lacking = lacking.filter(|name| wanted.inserts() || *name != "INSERT");
        let mut wrong: Vec<String> = lacking
            .map(|name| format!("the right to {name} is missing"))
            .collect();
        let has_row_security = rights.has_row_security;
        match Shape::of(&columns, wanted) {
            Ok(shape) if wrong.is_empty() => {
                return Ok(Shape {
                    has_row_security,
                    ..shape
                });
            }
            Ok(_) => {}
            Err(more) => wrong.extend(more),
        }
        Err(Fault::stops_run(format!(
            "table {place} does not fit: {}",
            wrong.join("; ")
        )))
    }

    /// How these columns are filled; else what is wrong with each.
    fn of(columns: &[Column], wanted: Wanted<'_>) -> Result<Shape, Vec<String>> {
        let mut wrong = Vec::new();
        let find = |name: &str| columns.iter().find(|column| column.name == name);
        let (chosen, key, inserts) = (wanted.columns, wanted.key_column(), wanted.inserts());
        for name in chosen.unwrap_or_default() {
            if find(name).is_none() && (*name != "index" || wanted.key.is_some()) {
                let known: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
                wrong.push(match nearest(name, &known) {
                    Some(near) => format!("column {name} is missing; did you mean `{near}`?"),
                    None => format!("column {name} is missing"),
                });
            }
        }
        let place = |name: &str| chosen?.iter().position(|chosen| *chosen == name);
        let is_whole = chosen.is_none() && find("result").is_some();
        let part = |column: &Column| match column.name.as_str() {
            "index" if wanted.key.is_none() => Some(Part::Index),
            name if chosen.is_some() => place(name).map(Part::Cell),
            "result" if is_whole => Some(Part::Whole),
            _ if is_whole || column.has_default || column.is_generated => None,
            _ => Some(Part::Field),
        };
        let mut targets = Vec::new();
        for column in columns {
            let Column { name, .. } = column;
            let (part, is_key) = (part(column), name == key);
            let is_empty_else = part.is_none() && column.is_required && inserts;
            if part.is_some() && column.is_generated && (inserts || !is_key) {
                wrong.push(format!("column {name} is generated"));
            } else if part.is_some() && column.is_fixed && !is_key {
                wrong.push(format!(
                    "column {name} is an identity that nobody may change (GENERATED ALWAYS); leave it out"
                ));
            } else if is_empty_else && !column.has_default && !column.is_generated {
                wrong.push(format!(
                    "column {name} is NOT NULL without a default, and nothing of a result goes there"
                ));
            } else if let Some(part) = part {
                targets.push(Target {
                    name: name.clone(),
                    part,
                    takes: Takes::of(column),
                });
            }
        }
        let keys = find(key).map(|column| column.keys.clone());
        wrong.extend(wrong_with_key(find(key), wanted.key));
        if !targets.iter().any(|target| target.name != key) {
            wrong.push(match wanted.key {
                Some(_) => format!(
                    "nothing is saved but the key {key}; name what is, --columns {key},answer=.text"
                ),
                None => "column result is missing, and so is any for a field".to_owned(),
            });
        }
        match wrong.is_empty() {
            true => Ok(Shape {
                targets,
                left: columns.iter().filter_map(Left::of).collect(),
                key: key.to_owned(),
                keys: keys.unwrap_or_default(),
                index_cell: place("index").filter(|_| wanted.key.is_none()),
                missing: wanted.key.map(|key| key.missing),
                has_row_security: false,
            }),
            false => Err(wrong),
        }
    }

    /// Whether all values can be sent in the form that costs the server least.
    pub(super) fn is_binary(&self) -> bool {
        self.targets.iter().all(|target| {
            matches!(target.part, Part::Index | Part::Whole) && target.takes.has_binary()
        })
    }

    /// The columns that are filled, quoted, in their order.
    pub(super) fn columns(&self) -> String {
        let names = self.targets.iter().map(|target| quoted(&target.name));
        names.collect::<Vec<_>>().join(", ")
    }

    /// The columns that are replaced in a row that is there.
    pub(super) fn replaced(&self) -> impl Iterator<Item = &str> {
        let names = self.targets.iter().map(|target| target.name.as_str());
        names.filter(|name| *name != self.key)
    }
}

/// What is wrong with the column by which rows are known.
fn wrong_with_key(column: Option<&Column>, key: Option<&RowKey>) -> Vec<String> {
    let mut wrong = Vec::new();
    match (column, key) {
        (None, None) => wrong.push(
            "column index is missing: bigint, the primary key; or name the key that the table has, --key COLUMN"
                .to_owned(),
        ),
        // It is among the columns that were named.
        (None, Some(_)) => {}
        (Some(index), None) => {
            if Takes::of(index) != Takes::Bigint {
                wrong.push(format!("column index is {}, and not bigint", index.kind));
            }
            if index.keys.is_empty() {
                wrong.push(
                    "column index has no unique key of its own: make it the primary key".to_owned(),
                );
            }
        }
        (Some(column), Some(key)) if column.keys.is_empty() => wrong.push(format!(
            "column {0} has no unique key of its own, and several rows could be one item's; CREATE UNIQUE INDEX ON … ({1}) \
             makes one",
            key.column,
            quoted(&key.column)
        )),
        (Some(_), Some(_)) => {}
    }
    wrong
}

impl Left {
    fn of(column: &Column) -> Option<Left> {
        let why = if column.name == "index" {
            "which is the number of the item; give the field another name"
        } else if column.is_generated {
            "which the database generates; leave the field out"
        } else if column.has_default {
            "which is left to the database, because it has a default; name the columns that are to be filled, --columns A=.a,B=.b"
        } else {
            return None;
        };
        Some(Left {
            name: column.name.clone(),
            why,
        })
    }
}

impl Takes {
    /// Whether a value has a form that costs the server nothing to read.
    fn has_binary(self) -> bool {
        !matches!(self, Takes::Other | Takes::Array { .. })
    }

    fn of(column: &Column) -> Takes {
        if column.element != 0 {
            let element = Type::from_oid(column.element);
            return Takes::Array {
                is_of_json: matches!(element, Some(Type::JSON | Type::JSONB)),
            };
        }
        match Type::from_oid(column.oid) {
            Some(Type::INT8) => Takes::Bigint,
            Some(Type::TEXT | Type::VARCHAR | Type::BPCHAR) => Takes::Text,
            Some(Type::BYTEA) => Takes::Bytes,
            Some(Type::JSON) => Takes::Json,
            Some(Type::JSONB) => Takes::Jsonb,
            _ => Takes::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;

    fn column(name: &str, kind: &Type) -> Column {
        Column {
            name: name.into(),
            oid: kind.oid(),
            element: 0,
            kind: kind.name().into(),
            is_required: name == "index",
            has_default: false,
            is_generated: false,
            is_fixed: false,
            keys: match name {
                "index" => vec!["t_pkey".into()],
                _ => Vec::new(),
            },
        }
    }

    fn wanted<'a>(columns: Option<&'a [&'a str]>) -> Wanted<'a> {
        Wanted { columns, key: None }
    }

    fn check(columns: &[Column], chosen: Option<&[&str]>, expected: Result<&str, &[&str]>) {
        check_wanted(columns, wanted(chosen), expected);
    }

    fn check_wanted(columns: &[Column], wanted: Wanted<'_>, expected: Result<&str, &[&str]>) {
        match (Shape::of(columns, wanted), expected) {
            (Ok(shape), Ok(names)) => assert_eq!(shape.columns(), names),
            (Err(wrong), Err(parts)) => {
                assert_eq!(wrong.len(), parts.len(), "{wrong:?}");
                for (sentence, part) in wrong.iter().zip(parts) {
                    assert!(sentence.contains(part), "{sentence}");
                }
            }
            (got, expected) => panic!("{got:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn a_result_goes_into_one_column_or_its_fields_into_many() {
        let index = column("index", &Type::INT8);
        let result = column("result", &Type::TEXT);
        let name = column("name", &Type::VARCHAR);
        let made = Column {
            has_default: true,
            ..column("made", &Type::TIMESTAMPTZ)
        };
        let all = [index.clone(), result, name.clone(), made.clone()];
        check(&all, None, Ok("\"index\", \"result\""));
        check(
            &all,
            Some(&["made", "name"]),
            Ok("\"index\", \"name\", \"made\""),
        );
        check(&all, Some(&["result"]), Ok("\"index\", \"result\""));
        check(
            &all,
            Some(&["nam"]),
            Err(&["did you mean `name`?", "any for a field"]),
        );
        let fields = [index.clone(), name, made];
        check(&fields, None, Ok("\"index\", \"name\""));
        assert!(!Shape::of(&fields, wanted(None)).unwrap().is_binary());
        assert!(Shape::of(&all, wanted(None)).unwrap().is_binary());
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let index = column("index", &Type::INT8);
        let result = column("result", &Type::TEXT);
        check(from_ref(&index), None, Err(&["column result is missing"]));
        check(from_ref(&result), None, Err(&["column index is missing"]));
        let text = Column {
            keys: Vec::new(),
            ..column("index", &Type::TEXT)
        };
        check(
            &[text, result.clone()],
            None,
            Err(&["index is text, and not bigint", "no unique key"]),
        );
        let required = Column {
            is_required: true,
            ..column("owner", &Type::INT4)
        };
        check(
            &[index.clone(), result, required],
            None,
            Err(&["owner is NOT NULL without a default"]),
        );
        let generated = Column {
            is_generated: true,
            ..column("result", &Type::TEXT)
        };
        check(
            &[index, generated],
            None,
            Err(&["result is generated", "result is missing"]),
        );
    }

    #[test]
    fn a_table_is_updated_by_its_own_key() {
        let id = Column {
            is_required: true,
            is_fixed: true,
            has_default: true,
            keys: vec!["users_pkey".into()],
            ..column("id", &Type::INT4)
        };
        let email = Column {
            is_required: true,
            ..column("email", &Type::TEXT)
        };
        let score = column("score", &Type::FLOAT8);
        let lower = Column {
            is_generated: true,
            keys: vec!["lower".into()],
            ..column("lower", &Type::TEXT)
        };
        let table = [id, email, score, lower];
        let check = |names: &[&str], key: &str, missing, expected: Result<&str, &[&str]>| {
            let key = RowKey {
                column: key.into(),
                missing,
            };
            let wanted = Wanted {
                columns: Some(names),
                key: Some(&key),
            };
            check_wanted(&table, wanted, expected);
        };
        check(
            &["score", "id"],
            "id",
            Missing::Fail,
            Ok("\"id\", \"score\""),
        );
        check(
            &["lower", "score"],
            "lower",
            Missing::Skip,
            Ok("\"score\", \"lower\""),
        );
        let generated = "lower is generated";
        let required = "email is NOT NULL without a default";
        check(
            &["lower", "score", "email"],
            "lower",
            Missing::Insert,
            Err(&[generated]),
        );
        check(&["id", "score"], "id", Missing::Insert, Err(&[required]));
        let fixed = "id is an identity";
        check(
            &["lower", "id"],
            "lower",
            Missing::Fail,
            Err(&[fixed, "nothing is saved but"]),
        );
        let unique = "email has no unique key of its own";
        check(&["email", "score"], "email", Missing::Fail, Err(&[unique]));
        check(
            &["id"],
            "id",
            Missing::Fail,
            Err(&["nothing is saved but the key id"]),
        );
        check(
            &["id", "skore"],
            "id",
            Missing::Fail,
            Err(&["did you mean `score`", "nothing"]),
        );
    }
}
