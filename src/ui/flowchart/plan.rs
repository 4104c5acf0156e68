//! Where each box of the chart goes, and how much of its text there is room for: a pure function of the place.

use ratatui::layout::Rect;

/// Columns right of the boxes, where the way out of a red box goes.
pub const EXIT: u16 = 5;

/// How the boxes are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Boxes with frames and a row for the arrow between them.
    Framed,
    /// Boxes with frames, arrows in the frames.
    Joined,
    /// A line each, and their text beside a line that joins them.
    Lines,
}

/// What a box would like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish {
    /// Lines of text below its question.
    pub body: usize,
    /// Who gets room first: the smallest.
    pub rank: u8,
    /// It is selected.
    pub selected: bool,
}

/// Where a box goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// Which of the wishes.
    pub index: usize,
    /// Its place, frame included.
    pub area: Rect,
    /// Row of the arrow below it, where it has one of its own.
    pub arrow: Option<Rect>,
    /// Lines of text it has room for.
    pub body: usize,
}

/// The chart, laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// How boxes are drawn.
    pub shape: Shape,
    /// The boxes that have a place.
    pub boxes: Vec<Placed>,
}

/// How so many boxes are drawn in a place.
pub fn shape(area: Rect, count: usize) -> Shape {
    match usize::from(area.height) {
        _ if area.width < 28 => Shape::Lines,
        height if height >= 5 * count => Shape::Framed,
        height if height >= 3 * count => Shape::Joined,
        _ => Shape::Lines,
    }
}

/// Columns of text in a box.
pub fn text_width(area: Rect, count: usize) -> u16 {
    let around = match shape(area, count) {
        // Frame and a space on either side, and the way out.
        Shape::Framed | Shape::Joined => EXIT + 4,
        Shape::Lines => 4,
    };
    area.width.saturating_sub(around).max(1)
}

/// Places the boxes.
pub fn plan(area: Rect, wishes: &[Wish]) -> Plan {
    let height = usize::from(area.height);
    let shape = shape(area, wishes.len());
    let (each, between) = match shape {
        Shape::Framed => (3, 1),
        Shape::Joined => (3, 0),
        Shape::Lines => (1, 0),
    };
    let window = window(wishes, height / each);
    let taken = window.len() * each + window.len().saturating_sub(1) * between;
    let bodies = share(wishes, &window, height.saturating_sub(taken));
    let width = if shape == Shape::Lines { area.width } else { area.width - EXIT };
    let mut boxes = Vec::new();
    let mut y = area.y;
    for (index, body) in window.clone().zip(bodies) {
        let rows = rows(each + body);
        let place = Rect { x: area.x, y, width, height: rows };
        y += rows;
        let arrow = (between == 1 && index + 1 < window.end).then_some(Rect { x: area.x, y, width, height: 1 });
        y += rows_of(arrow);
        boxes.push(Placed { index, area: place, arrow, body });
    }
    Plan { shape, boxes }
}

fn rows(count: usize) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}

fn rows_of(arrow: Option<Rect>) -> u16 {
    arrow.map_or(0, |a| a.height)
}

/// The boxes there is room for, the selected one among them.
fn window(wishes: &[Wish], room: usize) -> std::ops::Range<usize> {
    let selected = wishes.iter().position(|wish| wish.selected).unwrap_or_default();
    let room = room.min(wishes.len());
    let first = (selected + 1).saturating_sub(room).min(wishes.len() - room);
    first..first + room
}

/// Shares spare rows out: one each in order of rank, then as many as wanted.
fn share(wishes: &[Wish], window: &std::ops::Range<usize>, spare: usize) -> Vec<usize> {
    let wishes = wishes.get(window.clone()).unwrap_or_default();
    let mut order: Vec<usize> = (0..wishes.len()).collect();
    order.sort_by_key(|index| wishes.get(*index).map(|wish| wish.rank));
    let mut given = vec![0; wishes.len()];
    let mut spare = spare;
    for most in [1, usize::MAX] {
        for index in &order {
            let (Some(wish), Some(given)) = (wishes.get(*index), given.get_mut(*index)) else { continue };
            let more = wish.body.min(most).saturating_sub(*given).min(spare);
            *given += more;
            spare -= more;
        }
    }
    given
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wishes() -> impl Strategy<Value = Vec<Wish>> {
        let wish = (0..6usize, 0..5u8).prop_map(|(body, rank)| Wish { body, rank, selected: false });
        (prop::collection::vec(wish, 8), 0..8usize).prop_map(|(mut all, selected)| {
            all[selected].selected = true;
            all
        })
    }

    proptest! {
        #[test]
        fn boxes_never_overlap_and_the_selected_one_is_there(
            wishes in wishes(), x in 0..5u16, y in 0..5u16, width in 0..=300u16, height in 0..=100u16
        ) {
            let area = Rect { x, y, width, height };
            let plan = plan(area, &wishes);
            let mut all: Vec<Rect> = plan.boxes.iter().map(|b| b.area).collect();
            all.extend(plan.boxes.iter().filter_map(|b| b.arrow));
            for (index, one) in all.iter().enumerate() {
                prop_assert_eq!(area.union(*one), area, "outside: {:?}", one);
                prop_assert!(!all.iter().skip(index + 1).any(|other| other.intersects(*one)), "{:?}", plan);
            }
            if height > 0 {
                prop_assert!(plan.boxes.iter().any(|b| wishes[b.index].selected), "{:?}", plan);
            }
        }

        #[test]
        fn no_row_is_wasted_while_a_box_has_more_to_say(wishes in wishes(), height in 8..=100u16) {
            let plan = plan(Rect { x: 0, y: 0, width: 60, height }, &wishes);
            let used: u16 = plan.boxes.iter().map(|b| b.area.height + b.arrow.map_or(0, |a| a.height)).sum();
            let told = plan.boxes.iter().all(|b| b.body == wishes[b.index].body);
            prop_assert!(told || used == height, "{:?}", plan);
        }
    }

    #[test]
    fn the_red_box_is_told_before_the_others() {
        let quiet = Wish { body: 2, rank: 3, selected: false };
        let mut wishes = [quiet; 8];
        wishes[5] = Wish { body: 4, rank: 0, selected: true };
        let plan = plan(Rect { x: 0, y: 0, width: 44, height: 26 }, &wishes);
        assert_eq!(plan.shape, Shape::Joined);
        assert_eq!(plan.boxes.iter().map(|b| b.body).collect::<Vec<_>>(), [1, 0, 0, 0, 0, 1, 0, 0]);
    }
}
