//! Spans and points in rows, each with its name and its figures.

use super::css;
use maud::{Markup, html};

/// A row.
pub(super) struct Row {
    pub(super) name: String,
    /// Its figures in words.
    pub(super) says: Vec<(&'static str, String)>,
    pub(super) marks: Vec<Mark>,
}

/// Something in a row, by its class, placed from 0 to 1.
pub(super) enum Mark {
    /// A bar from the left, or from a place, to another.
    Bar(&'static str, f64, f64),
    /// A point.
    Point(&'static str, f64),
}

/// Rows over an axis; a tick is its place and its text.
pub(super) fn draw(rows: &[Row], ticks: &[(f64, String)]) -> Markup {
    html! {
        div.rows role="list" {
            @for row in rows {
                div.row role="listitem" {
                    span.name { (row.name) }
                    span.track aria-hidden="true" {
                        @for (place, _) in ticks { i.tick style={ "left:" (css(*place)) } {} }
                        @for mark in &row.marks { (mark.draw()) }
                    }
                    span.says { @for (class, text) in &row.says { span.(class) { (text) } " " } }
                }
            }
            div.row.scale aria-hidden="true" {
                span.name {}
                span.track { @for (at, (place, text)) in ticks.iter().enumerate() {
                    span.minor[at % 2 == 1] style={ "left:" (css(*place)) } { (text) }
                } }
                span.says {}
            }
        }
    }
}

impl Mark {
    fn draw(&self) -> Markup {
        match self {
            Self::Bar(class, from, to) => html! {
                i class={ "bar " (class) } style={ "left:" (css(*from)) ";width:" (css(to - from)) } {}
            },
            Self::Point(class, at) => {
                html! { i class={ "dot " (class) } style={ "left:" (css(*at)) } {} }
            }
        }
    }
}
