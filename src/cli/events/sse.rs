//! Server-sent events: bytes to events, as the HTML standard says to read them. Pure.

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    /// Its name; `message` where it has none.
    pub(super) name: String,
    /// Its data, lines joined.
    pub(super) data: String,
}

/// Reads a stream piece by piece, wherever the pieces are cut.
#[derive(Debug, Default)]
pub(super) struct Parser {
    /// What came after the last line end.
    rest: Vec<u8>,
    name: String,
    data: Vec<String>,
}

impl Parser {
    /// Takes in more bytes; the events that are whole now.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Vec<Event> {
        self.rest.extend_from_slice(bytes);
        let mut events = Vec::new();
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            events.extend(self.line(line.trim_end_matches(['\n', '\r'])));
        }
        events
    }

    fn line(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            let name = std::mem::take(&mut self.name);
            let data = std::mem::take(&mut self.data);
            return (!data.is_empty()).then(|| Event {
                name: if name.is_empty() {
                    "message".to_owned()
                } else {
                    name
                },
                data: data.join("\n"),
            });
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => self.data.push(value.to_owned()),
            // Comments (keep-alives) have an empty field; ids and retries are for browsers.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = ": keep alive\n\nevent: packages\ndata: [1,\ndata: 2]\n\nid: 7\ndata:x\r\n\r\nevent: cut\ndata: y";

    #[test]
    fn events_are_the_same_wherever_the_stream_is_cut() {
        let event = |name: &str, data: &str| Event {
            name: name.to_owned(),
            data: data.to_owned(),
        };
        let expected = [event("packages", "[1,\n2]"), event("message", "x")];
        for size in 1..=STREAM.len() {
            let mut parser = Parser::default();
            let events: Vec<Event> = STREAM
                .as_bytes()
                .chunks(size)
                .flat_map(|piece| parser.feed(piece))
                .collect();
            assert_eq!(events, expected, "in pieces of {size}");
        }
    }
}
