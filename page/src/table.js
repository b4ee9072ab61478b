// A sortable table. Only the first rows are in the document until the reader asks for all. Rows are kept between updates, and a
// cell is written only if its text changed. Every text goes through textContent.

const SHOWN = 20;

/** Columns: {title, value(row), text(row), isText, isHidden, hint, isFault(row)}; the first one is the row's header. */
export class Table {
  #rows = new Map();
  #isWhole = false;
  #latest = [];

  constructor(table, more, { columns, key, sort }) {
    Object.assign(this, { table, more, columns, key, sort });
    this.body = table.tBodies[0];
    this.buttons = columns.map((column, index) => this.#header(column, index));
    more.addEventListener("click", () => {
      this.#isWhole = !this.#isWhole;
      this.update(this.#latest);
    });
    this.#markSort();
  }

  #header(column, index) {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.className = column.isText ? "text" : "number";
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = column.title;
    if (column.hint) button.title = column.hint;
    button.addEventListener("click", () => this.#sortBy(index));
    cell.append(button);
    this.table.tHead.rows[0].append(cell);
    return cell;
  }

  #sortBy(index) {
    const isSame = this.sort.column === index;
    // Numbers begin with the largest, names with A.
    const isDescending = isSame ? !this.sort.isDescending : !this.columns[index].isText;
    this.sort = { column: index, isDescending };
    this.#markSort();
    this.update(this.#latest);
  }

  #markSort() {
    this.buttons.forEach((cell, index) => {
      if (index !== this.sort.column) cell.removeAttribute("aria-sort");
      else cell.setAttribute("aria-sort", this.sort.isDescending ? "descending" : "ascending");
    });
  }

  update(items) {
    this.#latest = items;
    this.columns.forEach(({ isHidden }, index) => (this.buttons[index].hidden = isHidden ?? false));
    const sorted = [...items].sort((a, b) => this.#compare(a, b));
    const shown = this.#isWhole ? sorted : sorted.slice(0, SHOWN);
    const before = this.#rows;
    this.#rows = new Map();
    shown.forEach((item, place) => {
      const key = this.key(item);
      const row = before.get(key) ?? this.#row();
      before.delete(key);
      this.#rows.set(key, row);
      this.#fill(row, item);
      if (this.body.rows[place] !== row) this.body.insertBefore(row, this.body.rows[place] ?? null);
    });
    for (const row of before.values()) row.remove();
    this.more.hidden = items.length <= SHOWN;
    setText(this.more, this.#isWhole ? `Show the first ${SHOWN}` : `Show all ${items.length}`);
    this.more.setAttribute("aria-expanded", String(this.#isWhole));
  }

  #compare(a, b) {
    const { column, isDescending } = this.sort;
    const [x, y] = [this.columns[column].value(a), this.columns[column].value(b)];
    let order = 0;
    // What is not known comes last, in either direction.
    if (x == null || y == null) order = (x == null) - (y == null);
    else if (x !== y) order = (x < y ? -1 : 1) * (isDescending ? -1 : 1);
    return order || (this.key(a) < this.key(b) ? -1 : 1);
  }

  #row() {
    const row = document.createElement("tr");
    this.columns.forEach((column, index) => {
      const cell = document.createElement(index ? "td" : "th");
      if (!index) cell.scope = "row";
      cell.className = column.isText ? "text" : "number";
      row.append(cell);
    });
    return row;
  }

  #fill(row, item) {
    this.columns.forEach((column, index) => {
      const cell = row.cells[index];
      setText(cell, column.text(item));
      cell.hidden = column.isHidden ?? false;
      if (!index) cell.title = column.text(item);
      cell.classList.toggle("fault", column.isFault?.(item) ?? false);
    });
    row.classList.toggle("idle", !item.calls);
  }
}

/** Writes a text, if it changed. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
