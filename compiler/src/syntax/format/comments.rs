//! Where comments are.

/// A `//` comment.
pub(super) struct Comment {
    pub(super) start: usize,
    pub(super) text: String,
    /// Whether code stands before it on its line.
    pub(super) trails: bool,
}

/// All `//` comments of a text that are not `///` docs.
pub(super) fn comments(text: &str) -> Vec<Comment> {
    let (mut found, mut offset) = (Vec::new(), 0);
    for line in text.split_inclusive('\n') {
        let mut quoted = false;
        for (index, c) in line.char_indices() {
            match c {
                '"' => quoted = !quoted,
                '/' if !quoted && line[index..].starts_with("//") => {
                    if !line[index..].starts_with("///") {
                        let trails = !line[..index].trim().is_empty();
                        found.push(Comment {
                            start: offset + index,
                            text: line[index..].trim_end().to_owned(),
                            trails,
                        });
                    }
                    break;
                }
                _ => {}
            }
        }
        offset += line.len();
    }
    found
}
