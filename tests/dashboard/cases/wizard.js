export default function wizard() {}
