"use strict";
document.getElementById("enter").addEventListener("submit", async (event) => {
  event.preventDefault();
  const headline = document.getElementById("headline");
  try {
    const token = document.getElementById("token").value.trim();
    const answer = await fetch("/", { headers: { Authorization: `Bearer ${token}` } });
    if (answer.ok) location.replace("/");
    else headline.textContent = answer.status === 401 ? "That is not a token of this server" : `The server refused: ${answer.status}`;
  } catch {
    headline.textContent = "The server does not answer";
  }
});
