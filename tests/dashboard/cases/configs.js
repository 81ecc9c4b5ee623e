export default function configs() {}
