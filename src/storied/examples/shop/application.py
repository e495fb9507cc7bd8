"""The app that everything in this folder registers with; `storied.examples.shop` has it complete."""

from storied import App

app = App("shop")
