//! Columns that stand under one another.

/// The most characters of a line; what is longer goes on below, in its own column.
const WIDTH: usize = 150;

/// A piece of a row.
pub(super) struct Cell {
    text: String,
    /// Numbers end under one another.
    is_number: bool,
}

impl Cell {
    pub(super) fn left(text: &str) -> Self {
        Self { text: text.to_owned(), is_number: false }
    }

    pub(super) fn right(text: &str) -> Self {
        Self { text: text.to_owned(), is_number: true }
    }
}

/// A table with a line of titles.
pub(super) struct Table {
    titles: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    pub(super) fn new(titles: &[&'static str]) -> Self {
        Self { titles: titles.to_vec(), rows: Vec::new() }
    }

    pub(super) fn row(&mut self, cells: Vec<Cell>) {
        assert_eq!(cells.len(), self.titles.len());
        self.rows.push(cells);
    }

    /// The table as text; the last column is wrapped.
    pub(super) fn written(&self) -> String {
        let width = |at: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.text.chars().count());
            cells.chain([self.titles[at].len()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.titles.len()).map(width).collect();
        let is_number = |at: usize| self.rows.first().is_some_and(|row| row[at].is_number);
        let titles = self.titles.iter().enumerate();
        let title = |(at, title): (usize, &&str)| Cell { text: (*title).to_owned(), is_number: is_number(at) };
        let titles: Vec<Cell> = titles.map(title).collect();
        let rule = "-".repeat(widths.iter().map(|width| width + 2).sum::<usize>().min(WIDTH) - 2);
        let rows: String = self.rows.iter().map(|row| line(row, &widths)).collect();
        line(&titles, &widths) + &rule + "\n" + &rows
    }
}

fn line(cells: &[Cell], widths: &[usize]) -> String {
    let (last, before) = cells.split_last().expect("a column");
    let mut begun = String::new();
    for (cell, width) in before.iter().zip(widths) {
        let padding = " ".repeat(width - cell.text.chars().count());
        begun = if cell.is_number { begun + &padding + &cell.text } else { begun + &cell.text + &padding } + "  ";
    }
    if last.is_number {
        let padding = " ".repeat(widths[before.len()] - last.text.chars().count());
        return format!("{begun}{padding}{}\n", last.text);
    }
    let indent = begun.chars().count();
    let wrapped = wrapped(&last.text, WIDTH.saturating_sub(indent));
    format!("{begun}{}", wrapped.join(&format!("\n{}", " ".repeat(indent)))).trim_end().to_owned() + "\n"
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("a line");
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(word.to_owned());
        } else {
            let gap = if line.is_empty() { "" } else { " " };
            *line += gap;
            *line += word;
        }
    }
    lines
}

/// Grams as kilograms.
pub(super) fn kilograms(grams: i64) -> String {
    let sign = if grams < 0 { "-" } else { "" };
    format!("{sign}{}.{:03} kg", grams.abs() / 1_000, grams.abs() % 1_000)
}

/// Grams as whole tonnes.
pub(super) fn tonnes(grams: i64) -> String {
    assert_eq!(grams % 1_000_000, 0);
    format!("{} t", grams / 1_000_000)
}

/// Names, with devices that follow one another as ranges: `devices 01-06, 08 and the crate`.
pub(super) fn listed(names: Vec<String>) -> String {
    let (mut devices, mut others) = (Vec::new(), Vec::new());
    for name in names {
        match name.strip_prefix("device ").and_then(|number| number.parse::<u64>().ok()) {
            Some(number) => devices.push(number),
            None => others.push(name),
        }
    }
    devices.sort_unstable();
    if !devices.is_empty() {
        let (word, count) =
            if devices.len() == 1 { ("device", String::new()) } else { ("devices", format!(" ({})", devices.len())) };
        others.push(format!("{word} {}{count}", ranges(&devices, 2)));
    }
    others.join(", ")
}

/// Rising numbers, with those that follow one another as ranges.
pub(super) fn ranges(numbers: &[u64], digits: usize) -> String {
    let mut ranges: Vec<[u64; 2]> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some([_, last]) if *last + 1 == *number => *last = *number,
            _ => ranges.push([*number, *number]),
        }
    }
    let range = |[first, last]: &[u64; 2]| {
        if first == last { format!("{first:0digits$}") } else { format!("{first:0digits$}-{last:0digits$}") }
    };
    ranges.iter().map(range).collect::<Vec<_>>().join(", ")
}
