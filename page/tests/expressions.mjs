// Expressions that a test evaluates in the page.

export const STATE = "document.documentElement.dataset.state";
export const PROBLEMS = "[...document.querySelectorAll('#problems li')].map((item) => item.textContent)";
export const text = (id) => `document.getElementById('${id}').textContent`;
export const rows = (table) =>
  `[...document.querySelectorAll('#${table}-table tbody tr')].map((row) => [...row.cells].filter((cell) => !cell.hidden).map((cell) => cell.textContent))`;

export const milliseconds = (n) => new Promise((resolve) => setTimeout(resolve, n));
