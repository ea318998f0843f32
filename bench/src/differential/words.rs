//! A line's words: split at spaces, except in quotes.
//!
//! In double quotes a backslash escapes a quote, itself, `n`, and `xNN`; in single quotes, which JSON is written in,
//! nothing is escaped. Quotes may open in the middle of a word: `body="two words"`.

pub fn split(line: &str) -> Result<Vec<String>, String> {
    let (mut words, mut word, mut open) = (Vec::new(), String::new(), false);
    let mut chars = line.chars();
    while let Some(char) = chars.next() {
        match char {
            ' ' | '\t' => {
                if open {
                    words.push(std::mem::take(&mut word));
                }
                open = false;
            }
            '\'' => {
                open = true;
                loop {
                    match chars.next().ok_or("a single quote has no end")? {
                        '\'' => break,
                        char => word.push(char),
                    }
                }
            }
            '"' => {
                open = true;
                loop {
                    match chars.next().ok_or("a double quote has no end")? {
                        '"' => break,
                        '\\' => word.push(escaped(&mut chars)?),
                        char => word.push(char),
                    }
                }
            }
            char => {
                open = true;
                word.push(char);
            }
        }
    }
    if open {
        words.push(word);
    }
    Ok(words)
}

fn escaped(chars: &mut std::str::Chars<'_>) -> Result<char, String> {
    match chars.next() {
        Some('n') => Ok('\n'),
        Some('x') => {
            let digits: String = chars.take(2).collect();
            u8::from_str_radix(&digits, 16).map(char::from).map_err(|_| format!("\\x{digits} is no byte"))
        }
        Some(char @ ('"' | '\\')) => Ok(char),
        other => Err(format!("\\{} is no escape; there are \\\" \\\\ \\n \\xNN", other.unwrap_or(' '))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_keep_spaces_and_braces() {
        assert_eq!(split(r#"a  b="c d\x01\"" e='{"f":1}' """#).unwrap(), ["a", "b=c d\u{1}\"", r#"e={"f":1}"#, ""]);
        assert!(split("\"open").is_err());
        assert!(split(r#""\q""#).is_err());
    }
}
