//! Emitted text in lines.

/// Columns that lines of emitted code keep to where they can.
const WIDTH: usize = 100;

/// A line `head a, b, c tail` that is indented by so many columns; an element a line where that is too long.
pub fn list(indent: usize, head: &str, elements: &[String], tail: &str) -> String {
    let line = format!("{:indent$}{head}{}{tail}\n", "", elements.join(", "));
    if line.len() <= WIDTH {
        return line;
    }
    let elements: String = elements.iter().map(|element| format!("{:indent$}    {element},\n", "")).collect();
    format!("{:indent$}{head}\n{elements}{:indent$}{tail}\n", "", "")
}

/// Text as it stands in a block: four columns to the right.
pub fn indented(text: &str) -> String {
    let line = |line: &str| if line.is_empty() { "\n".to_owned() } else { format!("    {line}\n") };
    text.lines().map(line).collect()
}
