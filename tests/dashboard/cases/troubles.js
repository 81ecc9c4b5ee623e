export default function troubles() {}
