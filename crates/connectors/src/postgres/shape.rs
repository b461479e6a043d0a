//! What a table looks like, and which part of a record goes into which of its columns.
//!
//! `index` gets the index. Where columns were named, each gets its cell. Else a table with a column `result` gets the whole result there, and no other column is touched. One
//! without gets the fields of the result, each in the column of its name.

use inflight::Fault;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::link::bound;
use super::verdict;
use crate::nearest::nearest;

/// A table as typed, quoted for SQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// As typed.
    pub(super) shown: String,
    /// Quoted, with its schema where that was typed.
    pub(super) quoted: String,
    /// The schema that was typed, not quoted.
    pub(super) schema: Option<String>,
}

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
    /// The unique keys of this column alone, by the names of their indexes, in a table of parts by those of all parts.
    pub(super) keys: Vec<String>,
}

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
    /// The unique keys of the index: a row that is refused by one of them is there already.
    pub(super) keys: Vec<String>,
    /// Where the index stands among the columns that were named, if it does.
    pub(super) index_cell: Option<usize>,
    /// Whether row-level security applies, with which COPY does not go.
    pub(super) has_row_security: bool,
}

impl Name {
    pub(super) fn new(text: &str) -> Result<Name, String> {
        let (schema, table) = match text.split_once('.') {
            Some((schema, table)) => (Some(crate::table::identifier(schema)?), table),
            None => (None, text),
        };
        let table = crate::table::identifier(table)?;
        Ok(Name {
            shown: text.to_owned(),
            quoted: qualified(schema, table),
            schema: schema.map(str::to_owned),
        })
    }
}

/// A name in a schema, quoted.
pub(super) fn qualified(schema: Option<&str>, name: &str) -> String {
    match schema {
        Some(schema) => format!("{}.{}", quoted(schema), quoted(name)),
        None => quoted(name),
    }
}

/// A name, quoted.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

const COLUMNS: &str = "\
SELECT a.attname::text, kind.oid, format_type(a.atttypid, a.atttypmod), a.attnotnull, \
    a.atthasdef OR a.attidentity <> '', a.attgenerated <> '', \
    ARRAY(SELECT c.relname::text FROM pg_index i CROSS JOIN LATERAL \
        (SELECT i.indexrelid::oid AS oid UNION SELECT relid::oid FROM pg_partition_tree(i.indexrelid)) AS own \
        JOIN pg_class c ON c.oid = own.oid \
        WHERE i.indrelid = a.attrelid AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indnkeyatts = 1 \
        AND i.indkey[0] = a.attnum AND i.indpred IS NULL AND i.indexprs IS NULL), \
    COALESCE((SELECT element.oid FROM pg_type element WHERE element.typarray = kind.oid), 0) \
FROM pg_attribute a CROSS JOIN LATERAL \
    (WITH RECURSIVE beneath(oid, typtype, next) AS \
        (SELECT oid, typtype, typbasetype FROM pg_type WHERE oid = a.atttypid UNION ALL \
        SELECT t.oid, t.typtype, t.typbasetype FROM pg_type t JOIN beneath b ON b.typtype = 'd' AND t.oid = b.next) \
    SELECT oid FROM beneath WHERE typtype <> 'd') AS kind \
WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped \
ORDER BY a.attnum";

/// The rights that are missing, and whether row-level security applies.
const RIGHTS: &str = "\
SELECT ARRAY(SELECT name FROM unnest(ARRAY['INSERT', 'UPDATE', 'SELECT']) AS name \
    WHERE NOT has_table_privilege($1, name)), row_security_active($1)";

impl Shape {
    /// Looks at a table, and how its columns are filled: those that are named, or else all that nobody else fills.
    ///
    /// Fails with a sentence that says what the table has too much or too little: no row is to blame.
    pub(super) async fn read(
        client: &Client,
        table: &Name,
        chosen: Option<&[&str]>,
    ) -> Result<Shape, Fault> {
        let place = &table.shown;
        let failed = |cause| verdict::refused(&format!("table {place}"), &cause);
        let text = [bound(&table.quoted, Type::TEXT)];
        let rows = client.query_typed(COLUMNS, &text).await.map_err(failed)?;
        if rows.is_empty() {
            return Err(Fault::stops_run(format!(
                "table {place} does not exist; --create makes it, with \"index\" bigint PRIMARY KEY and result text"
            )));
        }
        let columns: Vec<Column> = rows
            .iter()
            .map(|row| Column {
                name: row.get(0),
                oid: row.get(1),
                kind: row.get(2),
                is_required: row.get(3),
                has_default: row.get(4),
                is_generated: row.get(5),
                keys: row.get(6),
                element: row.get(7),
            })
            .collect();
        let rights = client
            .query_typed_one(RIGHTS, &text)
            .await
            .map_err(failed)?;
        let mut wrong: Vec<String> = rights
            .get::<_, Vec<&str>>(0)
            .iter()
            .map(|name| format!("the right to {name} is missing"))
            .collect();
        let has_row_security = rights.get(1);
        match Shape::of(&columns, chosen) {
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
    fn of(columns: &[Column], chosen: Option<&[&str]>) -> Result<Shape, Vec<String>> {
        let mut wrong = Vec::new();
        let find = |name: &str| columns.iter().find(|column| column.name == name);
        for name in chosen.unwrap_or_default() {
            if find(name).is_none() && *name != "index" {
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
            "index" => Some(Part::Index),
            name if chosen.is_some() => place(name).map(Part::Cell),
            "result" if is_whole => Some(Part::Whole),
            _ if is_whole || column.has_default || column.is_generated => None,
            _ => Some(Part::Field),
        };
        let mut targets = Vec::new();
        for column in columns {
            match part(column) {
                Some(_) if column.is_generated => {
                    wrong.push(format!("column {} is generated", column.name));
                }
                Some(part) => targets.push(Target {
                    name: column.name.clone(),
                    part,
                    takes: Takes::of(column),
                }),
                None if column.is_required && !column.has_default && !column.is_generated => {
                    wrong.push(format!(
                        "column {} is NOT NULL without a default, and nothing of a result goes there",
                        column.name
                    ));
                }
                None => {}
            }
        }
        let keys = match find("index") {
            None => {
                wrong.push("column index is missing: bigint, the primary key".to_owned());
                Vec::new()
            }
            Some(index) => {
                if Takes::of(index) != Takes::Bigint {
                    wrong.push(format!("column index is {}, and not bigint", index.kind));
                }
                if index.keys.is_empty() {
                    wrong.push(
                        "column index has no unique key of its own: make it the primary key"
                            .to_owned(),
                    );
                }
                index.keys.clone()
            }
        };
        if !targets.iter().any(|target| target.part != Part::Index) {
            wrong.push("column result is missing, and so is any for a field".to_owned());
        }
        match wrong.is_empty() {
            true => Ok(Shape {
                targets,
                left: columns.iter().filter_map(Left::of).collect(),
                keys,
                index_cell: place("index"),
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

    /// What replaces a row that is there.
    pub(super) fn replacements(&self) -> String {
        let values = self
            .replaced()
            .map(|name| format!("{0} = excluded.{0}", quoted(name)));
        values.collect::<Vec<_>>().join(", ")
    }

    /// The columns that are replaced in a row that is there.
    pub(super) fn replaced(&self) -> impl Iterator<Item = &str> {
        let targets = self.targets.iter();
        let targets = targets.filter(|target| target.part != Part::Index);
        targets.map(|target| target.name.as_str())
    }
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
            keys: match name {
                "index" => vec!["t_pkey".into()],
                _ => Vec::new(),
            },
        }
    }

    fn check(columns: &[Column], chosen: Option<&[&str]>, expected: Result<&str, &[&str]>) {
        match (Shape::of(columns, chosen), expected) {
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
        assert!(!Shape::of(&fields, None).unwrap().is_binary());
        assert!(Shape::of(&all, None).unwrap().is_binary());
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
    fn names_are_quoted() {
        let name = Name::new("night.Results").unwrap();
        assert_eq!(name.quoted, "\"night\".\"Results\"");
        for text in ["a.b.c", "a b", "", "x;drop", "night.inflight_runs"] {
            assert!(Name::new(text).is_err(), "{text}");
        }
        assert_eq!(quoted("a\"b"), "\"a\"\"b\"");
    }
}
