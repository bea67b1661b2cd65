//! Tables as podman prints them: columns at least 12 wide, two spaces between them, nothing behind the last cell.

/// The least width of a column with what follows it.
const LEAST: usize = 12;

/// The lines of a table; a row's cells may hold anything but line feeds.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            let cells = rows
                .iter()
                // The last cell of a row belongs to no column.
                .filter(|row| row.len() > column + 1)
                .map(|row| row[column].chars().count() + 2);
            cells.max().unwrap_or(0).max(LEAST)
        })
        .collect();
    let mut text = String::new();
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            text.push_str(cell);
            if column + 1 < row.len() {
                let missing = widths[column].saturating_sub(cell.chars().count());
                text.extend(std::iter::repeat_n(' ', missing));
            }
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_never_narrow() {
        let rows = [
            ["CONTAINER ID", "IMAGE", "NAMES"],
            ["5a9d9a67ad83", "a", "b"],
        ];
        let rows = rows.map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(
            table(&rows),
            "CONTAINER ID  IMAGE       NAMES\n5a9d9a67ad83  a           b\n"
        );
        assert_eq!(table(&[]), "");
    }
}
