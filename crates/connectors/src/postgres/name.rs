//! Names of tables and columns, quoted for SQL. Pure.

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

impl Name {
    /// Reads `TABLE` or `SCHEMA.TABLE`; a part in double quotes may hold any character.
    ///
    /// Fails with a sentence that names the part at fault.
    pub(super) fn new(text: &str) -> Result<Name, String> {
        let (first, rest) = part(text)?;
        let (schema, table) = match rest.strip_prefix('.') {
            Some(rest) => (Some(first), part(rest)?),
            None => (None, (first, rest)),
        };
        let (table, rest) = table;
        if !rest.is_empty() {
            return Err(format!(
                "table `{text}` cannot be used; write TABLE or SCHEMA.TABLE, names with other characters in double quotes"
            ));
        }
        crate::table::not_reserved(&table)?;
        Ok(Name {
            shown: text.to_owned(),
            quoted: qualified(schema.as_deref(), &table),
            schema,
        })
    }
}

/// The name that a text begins with, and what follows it.
fn part(text: &str) -> Result<(String, &str), String> {
    let Some(mut rest) = text.strip_prefix('"') else {
        let end = text.find(['.', '"']).unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        return Ok((crate::table::identifier(name)?.to_owned(), rest));
    };
    let mut name = String::new();
    loop {
        let end = rest
            .find('"')
            .ok_or_else(|| format!("table `{text}` has a double quote that is not closed"))?;
        name.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(more) => {
                name.push('"');
                rest = more;
            }
            None if name.is_empty() || name.contains('\0') => {
                return Err(format!("table `{text}` cannot be used; a name is missing"));
            }
            None => return Ok((name, rest)),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted() {
        let check = |text: &str, quoted: &str| {
            let name = Name::new(text).unwrap();
            assert_eq!((name.shown.as_str(), name.quoted.as_str()), (text, quoted));
        };
        check("night.Results", "\"night\".\"Results\"");
        check("order", "\"order\"");
        check("\"a b\".\"c.\"\"d\"", "\"a b\".\"c.\"\"d\"");
        check("night.\"Tag é\"", "\"night\".\"Tag é\"");
        for text in [
            "a.b.c",
            "a b",
            "",
            "x;drop",
            "night.inflight_runs",
            "\"a",
            "\"\"",
            "a.",
            "\"a\"b",
            "\"inflight_runs\"",
        ] {
            assert!(Name::new(text).is_err(), "{text}");
        }
        assert_eq!(quoted("a\"b"), "\"a\"\"b\"");
    }
}
