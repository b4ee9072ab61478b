//! The header `Accept`: which media types a client takes, and which it prefers.
//!
//! Specification: RFC 9110, 12.4.2 and 12.5.1. **What this does not do:** parameters other than `q`.

use hyper::header::{ACCEPT, HeaderMap};

/// What a client takes.
pub(super) struct Accept {
    /// Media ranges with their quality values. Without the header any type is taken.
    ranges: Option<Vec<(String, f32)>>,
}

// === impl Accept ===

impl Accept {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).peekable();
        let is_given = values.peek().is_some();
        let ranges = values.flat_map(|value| value.split(',')).map(|range| (media_type(range), quality(range)));
        Self { ranges: is_given.then(|| ranges.collect()) }
    }

    /// Whether the client takes a media type.
    pub(super) fn has(&self, kind: &str) -> bool {
        self.quality(kind) > 0.0
    }

    /// Whether the client likes one media type better than another.
    pub(super) fn prefers(&self, one: &str, other: &str) -> bool {
        self.quality(one) > self.quality(other)
    }

    /// The quality of the most specific range that matches.
    fn quality(&self, kind: &str) -> f32 {
        let Some(ranges) = &self.ranges else { return 1.0 };
        let group = kind.split_once('/').map_or("", |(group, _)| group);
        let find = |wanted: &str| ranges.iter().find(|(range, _)| range == wanted).map(|(_, quality)| *quality);
        find(kind).or_else(|| find(&format!("{group}/*"))).or_else(|| find("*/*")).unwrap_or(0.0)
    }
}

/// A media type without its parameters.
pub(super) fn media_type(value: &str) -> String {
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The parameter `q` of a media range. A value that is none counts as 1.
fn quality(range: &str) -> f32 {
    let parameters = range.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let value =
        parameters.filter(|(name, _)| name.trim().eq_ignore_ascii_case("q")).map(|(_, value)| value.trim()).next();
    value.and_then(|value| value.parse().ok()).filter(|value| (0.0..=1.0).contains(value)).unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use super::Accept;
    use hyper::header::{ACCEPT, HeaderMap};

    const JSON: &str = "application/json";
    const EVENTS: &str = "text/event-stream";

    fn accept(values: &[&'static str]) -> Accept {
        let headers: HeaderMap = values.iter().map(|value| (ACCEPT, value.parse().unwrap())).collect();
        Accept::of(&headers)
    }

    #[test]
    fn ranges_name_the_types_that_are_taken() {
        for (values, has_json, has_events) in [
            (&[][..], true, true),
            (&["*/*"], true, true),
            (&["application/json"], true, false),
            (&["text/*"], false, true),
            (&["application/*;q=0.5, text/event-stream"], true, true),
            (&["Application/JSON ; charset=utf-8", "Text/Event-Stream"], true, true),
            (&["application/json;q=0, */*"], false, true),
            (&["application/json, text/event-stream;q=0.000"], true, false),
            (&["application/jsonx, text/plain"], false, false),
            (&[""], false, false),
        ] {
            let accept = accept(values);
            assert_eq!((accept.has(JSON), accept.has(EVENTS)), (has_json, has_events), "{values:?}");
        }
    }

    #[test]
    fn higher_quality_is_preferred() {
        for (values, prefers_events) in [
            (&[][..], false),
            (&["*/*"], false),
            (&["application/json, text/event-stream"], false),
            (&["text/event-stream, application/json"], false),
            (&["text/event-stream, application/json;q=0.9"], true),
            (&["text/event-stream", "application/json; Q=0.999"], true),
            (&["text/event-stream;q=0.5, application/json;q=0.9"], false),
            (&["text/event-stream;q=0.2, application/*;q=0.1"], true),
            (&["*/*;q=0.5, text/event-stream"], true),
            (&["*/*, text/event-stream;q=0.5"], false),
            // Values that are none.
            (&["text/event-stream, application/json;q=x"], false),
            (&["text/event-stream, application/json;q=NaN"], false),
            (&["text/event-stream, application/json;q=-1"], false),
            (&["text/event-stream;q=7, application/json"], false),
        ] {
            assert_eq!(accept(values).prefers(EVENTS, JSON), prefers_events, "{values:?}");
        }
    }
}
