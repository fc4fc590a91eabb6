//! Why, and what to do: faults and refusals as a sentence and a hint. Pure: evidence is values, whoever gathered them.
