//! How it looks: ladders, tables and verdicts as text and SVG. Pure: model in, `String` out; it asks no terminal.
