export default function tabs() {}
