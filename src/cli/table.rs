//! Tables for people: columns, one line a row, the whole text of each cell. Pure.

use super::colour::Colour;

/// A cell.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    text: String,
    colour: Option<Colour>,
}

impl Cell {
    /// A text. What would move the cursor or break the line becomes a space: reasons quote what programs wrote.
    pub(super) fn new(text: impl AsRef<str>) -> Self {
        Self {
            text: one_line(text.as_ref()),
            colour: None,
        }
    }

    /// As [`Cell::new`], in the colour of that word.
    pub(super) fn coloured(text: impl AsRef<str>, word: Option<&str>) -> Self {
        Self {
            colour: word.and_then(Colour::of),
            ..Self::new(text)
        }
    }
}

/// A text in one line, without control characters.
pub(super) fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect::<String>()
        .trim_end()
        .to_owned()
}

/// Lays rows out under their header. A row has as many cells as the header.
pub(super) fn render(header: &[&str], rows: &[Vec<Cell>], in_colour: bool) -> String {
    let mut table = comfy_table::Table::new();
    table.set_header(header);
    for row in rows {
        table.add_row(row.iter().map(|cell| cell.text.as_str()));
    }
    table.load_style(comfy_table::presets::NOTHING);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let mut text = String::new();
    for (index, line) in table.lines().enumerate() {
        let line = line.trim_end();
        // The first line is the header.
        match index.checked_sub(1).and_then(|index| rows.get(index)) {
            Some(row) if in_colour => text.push_str(&painted(line, row)),
            Some(_) | None => text.push_str(line),
        }
        text.push('\n');
    }
    text
}

/// The cells of a line stand in their order, so each is found behind the one before.
fn painted(line: &str, row: &[Cell]) -> String {
    let mut text = String::new();
    let mut rest = line;
    for cell in row {
        let Some((before, after)) = rest.split_once(cell.text.as_str()) else {
            continue;
        };
        text.push_str(before);
        match cell.colour {
            Some(colour) => text.push_str(&colour.paint(&cell.text)),
            None => text.push_str(&cell.text),
        }
        rest = after;
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Vec<Cell>> {
        vec![
            vec![
                Cell::new("db"),
                Cell::coloured("killed (OOM)", Some("red")),
                Cell::new("137"),
            ],
            vec![
                Cell::new("run"),
                Cell::coloured("run", Some("green")),
                Cell::new(""),
            ],
        ]
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        assert_eq!(
            render(&["NAME", "STATE", "CODE"], &rows(), false),
            "NAME  STATE         CODE\ndb    killed (OOM)  137\nrun   run\n"
        );
    }

    #[test]
    fn only_the_cell_that_has_a_colour_is_painted_even_where_its_text_stands_twice() {
        assert_eq!(
            render(&["NAME", "STATE", "CODE"], &rows(), true),
            "NAME  STATE         CODE\ndb    \x1b[31mkilled (OOM)\x1b[0m  137\nrun   \x1b[32mrun\x1b[0m\n"
        );
    }

    #[test]
    fn what_a_program_wrote_cannot_reach_the_terminal() {
        let text = render(&["A"], &[vec![Cell::new("a\x1b[2Jb\r\nc\n")]], true);
        assert_eq!(text, "A\na [2Jb  c\n");
    }
}
